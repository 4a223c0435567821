"""The catalogue, what stock makes available of it, imports, and the changes that search follows."""

from alembic import op

from services.shared.migrate import create_plumbing

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE product (
    id uuid PRIMARY KEY,
    sku text NOT NULL UNIQUE,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    price_minor bigint NOT NULL CHECK (price_minor > 0),
    currency text NOT NULL,
    category text,
    brand text,
    attributes jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(attributes) = 'object'),
    gtin text[] NOT NULL DEFAULT '{}',
    images jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(images) = 'array'),
    is_active boolean NOT NULL DEFAULT true,
    version integer NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX product_newest ON product (created_at DESC, id DESC) WHERE is_active;
CREATE INDEX product_by_name ON product (name, id) WHERE is_active;
CREATE INDEX product_by_price ON product (price_minor, id) WHERE is_active;
CREATE INDEX product_by_category ON product (category text_pattern_ops) WHERE is_active;

-- What the stock ledger says is there, by its events. Apart from the product, whose version it must not move.
CREATE TABLE availability (
    product_id uuid PRIMARY KEY,
    on_hand bigint NOT NULL,
    reserved bigint NOT NULL,
    version bigint NOT NULL,
    available bigint NOT NULL GENERATED ALWAYS AS (on_hand - reserved) STORED
);

-- What search follows. A serial alone would skip a transaction that commits late; readers stay below the oldest
-- transaction in flight.
CREATE TABLE product_change (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    product_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (xid, id)
);

CREATE TABLE import_job (
    id uuid PRIMARY KEY,
    status text NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed')),
    total integer NOT NULL,
    processed integer NOT NULL DEFAULT 0,
    created integer NOT NULL DEFAULT 0,
    updated integer NOT NULL DEFAULT 0,
    unchanged integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    errors jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    CHECK (processed = created + updated + unchanged + failed)
);
CREATE INDEX import_job_open ON import_job (created_at, id) WHERE status IN ('queued', 'running');

-- A part of a payload, deleted in the transaction that imports it: what is left is what is still to do.
CREATE TABLE import_chunk (
    job_id uuid NOT NULL REFERENCES import_job ON DELETE CASCADE,
    n integer NOT NULL,
    lines integer[] NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (job_id, n)
);

-- The SKUs that an import in progress has seen, so that a repeated one is told.
CREATE TABLE import_sku (
    job_id uuid NOT NULL REFERENCES import_job ON DELETE CASCADE,
    sku text NOT NULL,
    line integer NOT NULL,
    PRIMARY KEY (job_id, sku)
)
"""

_NOTE_PRODUCTS = """
CREATE FUNCTION note_products() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO product_change (product_id) SELECT id FROM changed;
    RETURN NULL;
END
$$
"""

_NOTE_STOCK = """
CREATE FUNCTION note_stock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO product_change (product_id)
    SELECT product_id FROM changed JOIN previous USING (product_id)
    WHERE (changed.available > 0) <> (previous.available > 0);
    RETURN NULL;
END
$$
"""

_NOTE_FIRST_STOCK = """
CREATE FUNCTION note_first_stock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO product_change (product_id) SELECT product_id FROM changed WHERE available > 0;
    RETURN NULL;
END
$$
"""

_TRIGGERS = """
CREATE TRIGGER product_inserted AFTER INSERT ON product
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_products();
CREATE TRIGGER product_updated AFTER UPDATE ON product
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_products();
CREATE TRIGGER availability_inserted AFTER INSERT ON availability
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_first_stock();
CREATE TRIGGER availability_updated AFTER UPDATE ON availability
    REFERENCING OLD TABLE AS previous NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_stock()
"""


def upgrade() -> None:
    create_plumbing(op)
    for statement in _TABLES.split(";\n"):
        op.execute(statement)
    for function in (_NOTE_PRODUCTS, _NOTE_STOCK, _NOTE_FIRST_STOCK):
        op.execute(function)
    for statement in _TRIGGERS.split(";\n"):
        op.execute(statement)
