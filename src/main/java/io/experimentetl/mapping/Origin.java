package io.experimentetl.mapping;

import io.experimentetl.model.EventRow;
import io.experimentetl.model.SourceTable;
import java.io.Serializable;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * Where a value comes from in one row of the source. Every origin is computed from that row alone,
 * because a change stream sees single rows.
 *
 * <p>A column's value as a text is what PostgreSQL's cast to text prints, for integers, numerics,
 * texts, enums, UUIDs and booleans ({@code true}, {@code false}), and for json and jsonb. A {@code
 * timestamptz} is {@code YYYY-MM-DDTHH:MM:SS.UUUUUUZ} in UTC, a {@code timestamp} the same without
 * the Z.
 */
public sealed interface Origin extends Serializable {

  /** Adds the names of the source's columns that the origin reads. */
  void collectColumns(Set<String> names);

  /** The names of the source's columns that the origin reads, in their order. */
  default Set<String> columns() {
    Set<String> names = new TreeSet<>();
    collectColumns(names);
    return names;
  }

  /** The names of the source's columns of which a path takes a part. */
  default Set<String> jsonColumns() {
    Set<String> names = new TreeSet<>();
    if (this instanceof JsonPath path) {
      names.add(path.column());
    } else if (this instanceof Key key) {
      key.parts().forEach(part -> names.addAll(part.jsonColumns()));
    } else if (this instanceof Number number) {
      names.addAll(number.text().jsonColumns());
    }
    return names;
  }

  /**
   * A column.
   *
   * @param name exactly as the catalogue has it, without quotes
   */
  record Column(String name) implements Origin {
    @Override
    public void collectColumns(Set<String> names) {
      names.add(name);
    }
  }

  /**
   * A value inside a json or jsonb column, as the operator {@code #>>} returns it: a scalar as its
   * text, an object or an array as JSON, null for JSON's null and where the path leads nowhere.
   *
   * @param path the keys; a number is also the index in an array, from 0
   */
  record JsonPath(String column, List<String> path) implements Origin {
    public JsonPath {
      path = List.copyOf(path);
    }

    @Override
    public void collectColumns(Set<String> names) {
      names.add(column);
    }
  }

  /** The same text in every row. */
  record Constant(String value) implements Origin {
    /** In place of an experiment's id: see {@link EventRow#SHARED}. */
    public static final Constant SHARED = new Constant(Long.toString(EventRow.SHARED));

    @Override
    public void collectColumns(Set<String> names) {
      // It reads no column.
    }
  }

  /**
   * Several values as one text: see {@link KeyText}. NULL where one of them is NULL.
   *
   * @param parts columns, values inside JSON, constants, and numbers of experiments
   */
  record Key(List<Origin> parts) implements Origin {
    public Key {
      parts = List.copyOf(parts);
    }

    @Override
    public void collectColumns(Set<String> names) {
      parts.forEach(part -> part.collectColumns(names));
    }
  }

  /**
   * The number of an experiment, a variant or an assignment whose id or key is a text: see {@link
   * EntityNumber}. NULL where the text is NULL.
   *
   * @param entity EXPERIMENTS, VARIANTS or ASSIGNMENTS
   * @param text its id or key
   * @param byKey whether the text is the key, which stands in place of the id
   */
  @SuppressWarnings("JavaLangClash")
  record Number(SourceTable entity, Origin text, boolean byKey) implements Origin {
    @Override
    public void collectColumns(Set<String> names) {
      text.collectColumns(names);
    }
  }

  /**
   * The text of an id of which the warehouse has only the number: NULL where the text is the number
   * itself. It is the value of our columns {@code source_id}.
   */
  record SourceId(Origin text) implements Origin {
    @Override
    public void collectColumns(Set<String> names) {
      text.collectColumns(names);
    }
  }

  /**
   * The id of an event from a table other than {@code events}: see {@link
   * io.experimentetl.model.EventId#ofEntry}. NULL where the text is NULL.
   *
   * @param entry {@code exposures}, or the name of a table of metric events
   * @param text its key in that table
   */
  record EventKey(String entry, Origin text) implements Origin {
    @Override
    public void collectColumns(Set<String> names) {
      text.collectColumns(names);
    }
  }

  /**
   * The HMAC-SHA256 of a text in UTF-8, as lower-case hexadecimal digits: equal texts stay equal,
   * and nobody without the key knows them. NULL where the text is NULL.
   */
  record Masked(Origin text, MaskKey key) implements Origin {
    @Override
    public void collectColumns(Set<String> names) {
      text.collectColumns(names);
    }
  }

  /** Whether the row passes a filter: true or false. */
  record Matches(RowFilter filter) implements Origin {
    @Override
    public void collectColumns(Set<String> names) {
      filter.collectColumns(names);
    }
  }

  /**
   * The values of several columns as a {@link io.experimentetl.model.TextList}.
   *
   * @param members columns of the source
   */
  record Values(List<String> members) implements Origin {
    public Values {
      members = List.copyOf(members);
    }

    @Override
    public void collectColumns(Set<String> names) {
      names.addAll(members);
    }
  }

  /**
   * A JSON object of several columns, as {@code jsonb_build_object} prints it. Numbers, booleans,
   * json and jsonb keep their type, NULL is JSON's null, everything else is a string of the value's
   * text.
   *
   * @param members columns of the source; each is a key of the object under its own name
   */
  record JsonObject(List<String> members) implements Origin {
    public JsonObject {
      members = List.copyOf(members);
    }

    @Override
    public void collectColumns(Set<String> names) {
      names.addAll(members);
    }
  }
}
