"""The first tables: what stands about every order id, the orders, their lines, their history, their addresses."""

from alembic import op

from services.shared.migrate import create_plumbing

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE placement (
    order_id uuid PRIMARY KEY,
    outcome text NOT NULL CHECK (outcome IN ('placed', 'abandoned')),
    at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE orders (
    id uuid PRIMARY KEY REFERENCES placement (order_id),
    user_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'paid', 'shipped', 'delivered', 'cancelled', 'refunded')),
    total_minor bigint NOT NULL CHECK (total_minor >= 0),
    currency text NOT NULL,
    payment_id uuid,
    carrier text,
    tracking_number text,
    cart_id uuid UNIQUE,
    fingerprint text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    next_check_at timestamptz NOT NULL,
    CHECK (status NOT IN ('paid', 'shipped', 'delivered', 'refunded') OR payment_id IS NOT NULL),
    CHECK (status NOT IN ('shipped', 'delivered') OR (carrier IS NOT NULL AND tracking_number IS NOT NULL))
);
CREATE INDEX orders_of_user ON orders (user_id, created_at DESC, id DESC);
CREATE INDEX orders_newest ON orders (created_at DESC, id DESC);
CREATE INDEX orders_by_status ON orders (status, created_at DESC, id DESC);
CREATE INDEX orders_expiring ON orders (expires_at) WHERE status = 'pending';
CREATE TABLE order_line (
    order_id uuid NOT NULL REFERENCES orders (id),
    position smallint NOT NULL,
    product_id uuid NOT NULL,
    sku text NOT NULL,
    name text NOT NULL,
    unit_price_minor bigint NOT NULL CHECK (unit_price_minor >= 0),
    quantity integer NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, position),
    UNIQUE (order_id, product_id)
);
CREATE TABLE order_history (
    order_id uuid NOT NULL REFERENCES orders (id),
    position smallint NOT NULL,
    status text NOT NULL,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    reason text,
    PRIMARY KEY (order_id, position)
);
CREATE TABLE shipping_address (
    order_id uuid PRIMARY KEY REFERENCES orders (id),
    address jsonb NOT NULL
);
"""


def upgrade() -> None:
    create_plumbing(op)
    for statement in filter(str.strip, _TABLES.split(";\n")):
        op.execute(statement)
