"""The gRPC door: admission, the trace and refusals around every call, and the sidecar's own questions.

A service that speaks gRPC gives its servicers to `run`; events reach the same event door as over HTTP.
"""

import asyncio
import hmac
import json
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import structlog
import uvloop
from dapr.proto.common.v1 import common_pb2  # noqa: F401 - registers what the callback's descriptors refer to
from dapr.proto.runtime.v1 import appcallback_pb2, appcallback_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from grpc import StatusCode
from opentelemetry import trace

from services.shared import dead_letters, service, telemetry
from services.shared.errors import STORE_IS_AWAY, Forbidden, Refusal, Unauthenticated
from services.shared.identity import PeerService, Principal, Role, caller
from services.shared.pubsub import Answer, EventDoor
from services.shared.runtime import Runtime, Start
from services.shared.settings import Settings
from services.shared.timers import Timer
