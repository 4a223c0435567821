"""The door serves what the proto file promises."""

from services.contracts.proto import inventory_pb2
from services.inventory.grpc import inventory


def test_every_method_of_the_proto_file_is_served() -> None:
    promised = {method.name for method in inventory_pb2.DESCRIPTOR.services_by_name["Inventory"].methods}

    assert inventory.methods == promised
