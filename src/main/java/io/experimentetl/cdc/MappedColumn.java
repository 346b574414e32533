package io.experimentetl.cdc;

import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.EntityNumber;
import io.experimentetl.mapping.KeyText;
import io.experimentetl.mapping.MaskKey;
import io.experimentetl.mapping.Origin;
import io.experimentetl.mapping.RowFilter;
import io.experimentetl.model.ColumnType;
import io.experimentetl.model.EventId;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TextList;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.math.BigDecimal;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToIntFunction;
import javax.crypto.Mac;

/**
 * One of our columns that is computed from columns of the source. It is bound to a reader's columns
 * once; then it is computed row by row.
 */
final class MappedColumn {
  /** Numbers of texts that are remembered: the experiments and variants that rows name. */
  private static final int MOST_NUMBERS = 10_000;

  /** The source's columns of one row. */
  interface SourceValues {
    /** The value, {@link RowReader#UNSENT}, {@link RowReader#UNREADABLE} or null. */
    Object of(int source);

    /** Whether the table has the column. */
    boolean has(int source);

    /** The format of the column; null: not known. */
    ValueFormat format(int source);
  }

  /** A value with the format of the column that it comes from; null: of none. */
  private interface Node {
    Object value(SourceValues row);

    default ValueFormat format(SourceValues row) {
      return null;
    }

    /** The value as a text; UNSENT, UNREADABLE or null as they are. */
    default Object text(SourceValues row) {
      Object value = value(row);
      return value == null || value == RowReader.UNSENT || value == RowReader.UNREADABLE
          ? value
          : MappedValue.text(value, format(row));
    }
  }

  private record ColumnNode(int source) implements Node {
    @Override
    public Object value(SourceValues row) {
      return row.of(source);
    }

    @Override
    public ValueFormat format(SourceValues row) {
      return row.format(source);
    }
  }

  private final ColumnType type;
  private final ColumnBinding binding;
  private final ZoneId zone;
  private final ToIntFunction<String> sources;
  private final int[] needed;
  private final Node origin;
  private final Node absent;

  /**
   * Binds a column.
   *
   * @param sources the number of a source's column in the reader's rows
   */
  MappedColumn(ColumnBinding binding, ColumnType type, ToIntFunction<String> sources) {
    this.type = type;
    this.binding = binding;
    this.zone = binding.zone() == null ? null : ZoneId.of(binding.zone());
    this.sources = sources;
    this.needed = binding.origin().columns().stream().mapToInt(sources).toArray();
    this.origin = node(binding.origin());
    this.absent = binding.absent() == null ? null : node(binding.absent());
  }

  /** An integer is its own number. */
  static Origin ownColumn(Origin origin) {
    if (origin instanceof Origin.SourceId id) {
      return id.text();
    }
    return origin instanceof Origin.Number number ? number.text() : origin;
  }

  /** The value in the form that our column has, UNSENT, UNREADABLE or null. */
  Object value(SourceValues row) {
    Node node = hasAll(row) ? origin : absent;
    if (node == null) {
      return null;
    }
    Object value = node.value(row);
    if (value == null || value == RowReader.UNSENT || value == RowReader.UNREADABLE) {
      return value;
    }
    if (!binding.values().isEmpty()) {
      String renamed = binding.values().get(MappedValue.text(value, node.format(row)));
      if (renamed != null) {
        return MappedValue.converted(renamed, null, type, binding.unit(), zone);
      }
    }
    return value instanceof EventId
        ? value
        : MappedValue.converted(value, node.format(row), type, binding.unit(), zone);
  }

  private boolean hasAll(SourceValues row) {
    for (int source : needed) {
      if (!row.has(source)) {
        return false;
      }
    }
    return true;
  }

  private Node node(Origin from) {
    if (from instanceof Origin.Column column) {
      return new ColumnNode(sources.applyAsInt(column.name()));
    } else if (from instanceof Origin.JsonPath path) {
      return jsonPath(path);
    } else if (from instanceof Origin.Constant constant) {
      return row -> constant.value();
    } else if (from instanceof Origin.Key key) {
      return key(key.parts().stream().map(this::node).toList());
    } else if (from instanceof Origin.Number number) {
      return number(number.entity(), node(number.text()));
    } else if (from instanceof Origin.SourceId id) {
      return sourceId(node(id.text()));
    } else if (from instanceof Origin.EventKey key) {
      Node text = node(key.text());
      return row ->
          text.text(row) instanceof String own ? EventId.ofEntry(key.entry(), own) : text.text(row);
    } else if (from instanceof Origin.Masked masked) {
      return masked(node(masked.text()), masked.key().mac());
    } else if (from instanceof Origin.Matches matches) {
      MappedFilter filter = new MappedFilter(matches.filter(), sources);
      return row ->
          switch (filter.match(row)) {
            case YES -> true;
            case NO -> false;
            case UNKNOWN -> RowReader.UNSENT;
          };
    } else if (from instanceof Origin.Values values) {
      return values(values.members().stream().mapToInt(sources).toArray());
    } else if (from instanceof Origin.JsonObject object) {
      return new MappedObject(object.members(), sources)::value;
    }
    throw new IllegalStateException("There is no reader for " + from);
  }

  private Node jsonPath(Origin.JsonPath path) {
    int source = sources.applyAsInt(path.column());
    boolean asJson = type == ColumnType.JSON;
    return row -> {
      Object json = row.of(source);
      return json == null || json == RowReader.UNSENT || json == RowReader.UNREADABLE
          ? json
          : JsonPathValue.of(
              json.toString(), path.path(), asJson, row.format(source) == ValueFormat.JSONB);
    };
  }

  private static Node masked(Node text, Mac mac) {
    return row -> {
      Object value = text.text(row);
      return value instanceof String own ? MaskKey.mask(mac, own) : value;
    };
  }

  private static Node values(int[] columns) {
    return row -> {
      StringBuilder list = new StringBuilder();
      for (int column : columns) {
        Object value = row.of(column);
        if (value == RowReader.UNSENT || value == RowReader.UNREADABLE) {
          return value;
        }
        TextList.append(list, value == null ? null : MappedValue.text(value, row.format(column)));
      }
      return list.toString();
    };
  }

  private static Node key(List<Node> parts) {
    return row -> {
      List<String> texts = new ArrayList<>(parts.size());
      for (Node part : parts) {
        if (!(part.text(row) instanceof String text)) {
          return part.text(row);
        }
        texts.add(text);
      }
      return KeyText.of(texts);
    };
  }

  private static Node number(SourceTable entity, Node of) {
    Map<String, Long> known = new HashMap<>();
    return row -> {
      Object value = of.value(row);
      if (value instanceof Long || value instanceof Integer || value instanceof Short) {
        return value;
      }
      Object text = ownText(of, row);
      if (!(text instanceof String own)) {
        return text;
      }
      if (known.size() >= MOST_NUMBERS) {
        known.clear();
      }
      return known.computeIfAbsent(own, each -> EntityNumber.of(entity, each));
    };
  }

  private static Node sourceId(Node of) {
    return row -> {
      Object text = ownText(of, row);
      return text instanceof String own && EntityNumber.isInteger(own) ? null : text;
    };
  }

  /** The text of an id. A numeric has no fraction: zeros behind the point are not part of it. */
  private static Object ownText(Node of, SourceValues row) {
    Object text = of.text(row);
    if (!(text instanceof String own) || of.format(row) != ValueFormat.NUMERIC) {
      return text;
    }
    try {
      return new BigDecimal(own).toBigIntegerExact().toString();
    } catch (ArithmeticException | NumberFormatException fraction) {
      return RowReader.UNREADABLE;
    }
  }

  /** A filter, bound to a reader's columns. */
  static final class MappedFilter {

    /** Whether a row passes. UNKNOWN: PostgreSQL did not send what decides, or has it no longer. */
    enum Match {
      YES,
      NO,
      UNKNOWN
    }

    private final RowFilter filter;
    private final int[] columns;

    MappedFilter(RowFilter filter, ToIntFunction<String> sources) {
      this.filter = filter;
      this.columns =
          filter.conditions().stream()
              .mapToInt(condition -> sources.applyAsInt(condition.column()))
              .toArray();
    }

    /** The first column that the row does not have; null: it has all of them. */
    String missing(SourceValues row) {
      for (int i = 0; i < columns.length; i++) {
        if (!row.has(columns[i])) {
          return filter.conditions().get(i).column();
        }
      }
      return null;
    }

    /** A value that cannot be read meets no condition but "not null". */
    Match match(SourceValues row) {
      Match match = Match.YES;
      for (int i = 0; i < columns.length; i++) {
        Object value = row.has(columns[i]) ? row.of(columns[i]) : RowReader.UNSENT;
        if (value == RowReader.UNSENT) {
          match = Match.UNKNOWN;
        } else {
          String text = value == null ? null : MappedValue.text(value, row.format(columns[i]));
          if (!filter.conditions().get(i).isMetBy(text)) {
            return Match.NO;
          }
        }
      }
      return match;
    }
  }
}
