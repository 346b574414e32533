package io.experimentetl.cdc;

import io.experimentetl.cdc.SourceCatalogue.Membership;
import io.experimentetl.cdc.SourceCatalogue.Publication;
import io.experimentetl.cdc.SourceCatalogue.Relation;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** Catalogues of a source in good order, and alterations of them. */
final class Catalogues {
  static final Publication PUBLICATION = new Publication("500", "700", true, true, false);

  private static final String MARCH =
      "FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00')";

  private Catalogues() {}

  /** All tables; events has one partition by month and the default one. */
  static SourceCatalogue inOrder() {
    List<Relation> relations = new ArrayList<>();
    for (SourceTable table : SourceTable.values()) {
      relations.add(table(table));
    }
    relations.add(partition("events_2026_03", 31, MARCH));
    relations.add(partition("events_default", 99, "DEFAULT"));
    return new SourceCatalogue(
        PUBLICATION,
        relations,
        Map.of(SourceTable.EXPERIMENTS, Map.of("status", List.of("DRAFT", "ACTIVE"))));
  }

  /** The numbers only need to differ from table to table. */
  @SuppressWarnings("EnumOrdinal")
  private static Relation table(SourceTable table) {
    return new Relation(
        table,
        1 + table.ordinal(),
        table.tableName(),
        false,
        "",
        null,
        true,
        new Membership("500", "700", "80" + table.ordinal() + " 701"),
        false,
        false,
        true,
        false,
        false,
        9000 + table.ordinal(),
        Map.of("id", 1),
        List.of());
  }

  static Relation partition(String name, long oid, String bound) {
    return new Relation(
        SourceTable.EVENTS,
        oid,
        name,
        true,
        "710",
        bound,
        true,
        new Membership("500", "700", "804 701"),
        false,
        false,
        true,
        false,
        false,
        9000 + oid,
        Map.of("id", 1),
        List.of());
  }

  /** The catalogue with one relation altered. */
  static SourceCatalogue with(
      SourceCatalogue catalogue, String name, UnaryOperator<Relation> alteration) {
    return new SourceCatalogue(
        catalogue.publication(),
        catalogue.relations().stream()
            .map(relation -> relation.name().equals(name) ? alteration.apply(relation) : relation)
            .toList(),
        catalogue.enums());
  }

  static SourceCatalogue without(SourceCatalogue catalogue, String name) {
    return new SourceCatalogue(
        catalogue.publication(),
        catalogue.relations().stream().filter(relation -> !relation.name().equals(name)).toList(),
        catalogue.enums());
  }

  static SourceCatalogue and(SourceCatalogue catalogue, Relation another) {
    List<Relation> relations = new ArrayList<>(catalogue.relations());
    relations.add(another);
    return new SourceCatalogue(catalogue.publication(), relations, catalogue.enums());
  }

  static SourceCatalogue with(SourceCatalogue catalogue, Publication publication) {
    SourceCatalogue altered =
        new SourceCatalogue(publication, catalogue.relations(), catalogue.enums());
    for (Relation relation : catalogue.relations()) {
      altered =
          with(
              altered,
              relation.name(),
              same ->
                  new Altered(same)
                      .membership(
                          new Membership(
                              publication.identity(),
                              publication.options(),
                              same.membership().membership()))
                      .build());
    }
    return altered;
  }

  static SourceCatalogue withLabels(SourceCatalogue catalogue, String... labels) {
    return new SourceCatalogue(
        catalogue.publication(),
        catalogue.relations(),
        Map.of(SourceTable.EXPERIMENTS, Map.of("status", List.of(labels))));
  }

  /** A relation with some of its components replaced. */
  static final class Altered {
    private final Relation from;
    private String attachment;
    private boolean published;
    private Membership membership;
    private boolean rowFilter;
    private boolean columnList;
    private boolean fullIdentity;
    private boolean unlogged;
    private boolean rowSecurity;
    private long fileNode;
    private Map<String, Integer> columns;
    private List<String> generated;

    Altered(Relation from) {
      this.from = from;
      attachment = from.attachment();
      published = from.published();
      membership = from.membership();
      rowFilter = from.rowFilter();
      columnList = from.columnList();
      fullIdentity = from.fullIdentity();
      unlogged = from.unlogged();
      rowSecurity = from.rowSecurity();
      fileNode = from.fileNode();
      columns = from.columns();
      generated = from.generated();
    }

    Altered attachment(String value) {
      attachment = value;
      return this;
    }

    Altered published(boolean value) {
      published = value;
      return this;
    }

    Altered membership(Membership value) {
      membership = value;
      return this;
    }

    Altered rowFilter() {
      rowFilter = true;
      return this;
    }

    Altered columnList() {
      columnList = true;
      return this;
    }

    Altered keyIdentity() {
      fullIdentity = false;
      return this;
    }

    Altered unlogged() {
      unlogged = true;
      return this;
    }

    Altered rowSecurity() {
      rowSecurity = true;
      return this;
    }

    Altered fileNode(long value) {
      fileNode = value;
      return this;
    }

    Altered columns(Map<String, Integer> value) {
      columns = value;
      return this;
    }

    Altered generated(String column) {
      generated = List.of(column);
      return this;
    }

    Relation build() {
      return new Relation(
          from.table(),
          from.oid(),
          from.name(),
          from.partition(),
          attachment,
          from.bound(),
          published,
          membership,
          rowFilter,
          columnList,
          fullIdentity,
          unlogged,
          rowSecurity,
          fileNode,
          columns,
          generated);
    }
  }
}
