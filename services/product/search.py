"""The search index of this process: what a product is found by, and how the best are found first."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tantivy import Document, FieldType, Index, Occur, Order, Query, Schema, SchemaBuilder

from services.product.documents import document

_WRITER_BYTES = 20_000_000
_FACET_VALUES = 50
_MOST_WORDS = 32

_BOOSTS = {"text": 1.0, "details": 0.3}
"""Name and description are one field: judged by people, that ranks better than weighing them apart."""
_EVERY_WORD = 1.0
_CODE = 40.0
_BRAND = 2.0

FACETS = {"brand": "brand", "category": "category"}
"""What can be counted, and the index's field for it."""

_SORTS = {
    "newest": ("created", Order.Desc),
    "name": ("name_key", Order.Asc),
    "price": ("price", Order.Asc),
    "-price": ("price", Order.Desc),
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is searched for. Prices are in thousandths of the currency's unit."""

    words: str = ""
    category: str | None = None
    brands: Sequence[str] = ()
    min_price: int | None = None
    max_price: int | None = None
    in_stock: bool | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    sort: str | None = None
    facets: Sequence[str] = ()
    offset: int = 0
    limit: int = 20


@dataclass(frozen=True, kw_only=True)
class Result:
    """The ids of a page of products, how many there are in all, and the counts by value of each facet."""

    product_ids: Sequence[UUID]
    total: int
    facets: Mapping[str, Sequence[Mapping[str, Any]]]


class SearchIndex:
    """Tantivy in memory, with one writer."""

    def __init__(self) -> None:
        """An empty index."""
        self._schema = _schema()
        self._index = Index(self._schema)
        self._writer = self._index.writer(_WRITER_BYTES, 1)

    def put(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace products; those that are inactive are only taken out. Not found before `commit`."""
        for row in rows:
            self._writer.delete_documents_by_term("id", str(row["id"]))
            if row["is_active"]:
                self._writer.add_document(Document.from_dict(document(row), self._schema))

    def clear(self) -> None:
        """Take everything out."""
        self._writer.delete_all_documents()

    def commit(self) -> None:
        """Show what was put."""
        self._writer.commit()
        self._index.reload()

    def search(self, wanted: Wanted) -> Result:
        """Find products."""
        query, searcher = self._query(wanted), self._index.searcher()
        sort, order = _SORTS.get(wanted.sort or "", (None, Order.Desc))
        if sort is None and not wanted.words:
            sort = "created"
        hits = searcher.search(query, wanted.limit, True, sort, wanted.offset, order)  # noqa: FBT003 - tantivy's order
        ids = [UUID(searcher.doc(address)["id"][0]) for _, address in hits.hits]
        counted = {name: {"terms": {"field": FACETS[name], "size": _FACET_VALUES}} for name in wanted.facets}
        found = searcher.aggregate(query, counted) if counted else {}
        facets = {name: [_facet_value(one) for one in found[name]["buckets"]] for name in counted}
        return Result(product_ids=ids, total=hits.count, facets=facets)  # type: ignore[attr-defined]  # its stub lacks it

    def _query(self, wanted: Wanted) -> Query:
        words = re.findall(r"\w+", wanted.words.lower())[:_MOST_WORDS]
        must = [self._ranked(words, wanted.words)] if wanted.words else [Query.all_query()]
        must += [Query.const_score_query(one, 0.0) for one in self._filters(wanted)]
        return Query.boolean_query([(Occur.Must, one) for one in must])

    def _ranked(self, words: Sequence[str], whole: str) -> Query:
        fields, sentence = list(_BOOSTS), " ".join(words)
        any_word = self._index.parse_query(sentence, fields, _BOOSTS)
        every_word = self._index.parse_query(sentence, fields, _BOOSTS, conjunction_by_default=True)
        exact = {*words, *whole.lower().split(), " ".join(whole.lower().split())}
        better = [Query.boost_query(every_word, _EVERY_WORD)]
        better += [Query.const_score_query(self._term("code", one), _CODE) for one in sorted(exact)]
        better += [Query.const_score_query(self._term("brand_key", one), _BRAND) for one in sorted(exact)]
        return Query.boolean_query([(Occur.Should, one) for one in (any_word, *better)])

    def _filters(self, wanted: Wanted) -> Iterable[Query]:
        if wanted.category is not None:
            yield self._term("category_path", wanted.category)
        if wanted.brands:
            yield Query.term_set_query(self._schema, "brand_key", [brand.lower() for brand in wanted.brands])
        if wanted.min_price is not None or wanted.max_price is not None:
            yield Query.range_query(self._schema, "price", FieldType.Integer, wanted.min_price, wanted.max_price)
        if wanted.in_stock is not None:
            yield self._term("in_stock", wanted.in_stock)
        for name, value in wanted.attributes.items():
            yield self._term("attribute", f"{name}={value}".lower())

    def _term(self, name: str, value: str | bool) -> Query:  # noqa: FBT001 - a value, not a switch
        return Query.term_query(self._schema, name, value)


def _facet_value(bucket: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"value": bucket["key"], "count": bucket["doc_count"]}


def _schema() -> Schema:
    builder = SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("text", tokenizer_name="en_stem", index_option="freq")
    builder.add_text_field("details", tokenizer_name="en_stem", index_option="freq")
    for exact in ("code", "brand_key", "category_path", "attribute"):
        builder.add_text_field(exact, tokenizer_name="raw", index_option="basic")
    for shown in ("brand", "category", "name_key"):
        builder.add_text_field(shown, tokenizer_name="raw", index_option="basic", fast=True)
    builder.add_integer_field("price", indexed=True, fast=True)
    builder.add_integer_field("created", fast=True)
    builder.add_boolean_field("in_stock", indexed=True)
    return builder.build()
