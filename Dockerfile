# One image for every service: `docker run … python -m services.order.app`.
FROM python:3.11-slim AS build
RUN pip install --no-cache-dir uv
WORKDIR /app
COPY pyproject.toml uv.lock ./
RUN UV_PYTHON_DOWNLOADS=never uv sync --locked --no-default-groups --compile-bytecode

FROM python:3.11-slim
RUN useradd --uid 10001 --no-create-home sidecart
WORKDIR /app
COPY --from=build /app/.venv .venv
COPY services services
RUN rm -r services/local
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
