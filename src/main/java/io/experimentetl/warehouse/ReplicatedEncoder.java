package io.experimentetl.warehouse;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.clickhouse.RowEncoder;
import io.experimentetl.clickhouse.TableSchema;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.mapping.ReplicatedTable.NewColumns;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ReplicatedRow;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.TextList;
import io.experimentetl.warehouse.ReplicatedType.Fit;
import io.experimentetl.warehouse.ReplicatedType.Value;
import java.io.Serializable;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Rows of a table that is copied as it is. A tombstone has the key's columns only. */
public final class ReplicatedEncoder implements RowEncoder<Change> {
  private static final long serialVersionUID = 1L;

  private static final ObjectMapper JSON = new ObjectMapper();

  /** A column with how it is read and written. */
  private record Written(
      String name, ReplicatedType type, boolean nullable, int digits, int scale, int place)
      implements Serializable {
    private Value read(String text) {
      return type.read(text, digits, scale);
    }

    private boolean isOfKey() {
      return place >= 0;
    }
  }

  /**
   * How ClickHouse holds a row.
   *
   * @param column that does not hold its value; null: every column does
   */
  public record Holding(Fit fit, String column) {}

  private final ReplicatedTable table;
  private final List<Written> columns;
  private transient String lastNames;
  private transient List<String> names;
  private transient int[] places;

  /** The encoder of a table whose columns are known. */
  public ReplicatedEncoder(ReplicatedTable table) {
    this.table = table;
    this.columns = new ArrayList<>();
    for (ReplicatedTable.Column column : table.columns()) {
      int[] digits = ReplicatedType.digitsOf(column.type());
      columns.add(
          new Written(
              column.name(),
              ReplicatedType.of(column.type()),
              column.nullable(),
              digits[0],
              digits[1],
              table.key().indexOf(column.name())));
    }
  }

  public ReplicatedTable table() {
    return table;
  }

  @Override
  public TableSchema schema() {
    TableSchema schema = TableSchema.of(table.name());
    for (ReplicatedTable.Column column : table.columns()) {
      schema =
          schema.column(
              column.name(), column.nullable() ? "Nullable(" + column.type() + ")" : column.type());
    }
    return VersionColumns.append(schema.column(ReplicatedTable.NEW_COLUMNS, "String"));
  }

  /** {@code toYYYYMM} of the partition's column, which is of the key. */
  @Override
  public long partition(Change change) {
    if (table.partitionBy() == null) {
      return 0;
    }
    Written column =
        columns.stream()
            .filter(each -> each.name.equals(table.partitionBy()))
            .findFirst()
            .orElseThrow();
    long value =
        (Long) column.read(ReplicatedTable.keyValues(rowOf(change)).get(column.place)).written();
    long day =
        column.type == ReplicatedType.DAY ? value : Math.floorDiv(value, TimeUnit.DAYS.toMicros(1));
    LocalDate date = LocalDate.ofEpochDay(day);
    return date.getYear() * 100L + date.getMonthValue();
  }

  @Override
  public boolean isReplayStable(Change change) {
    return versionOf(change).isReplayStable();
  }

  private static ReplicatedRow rowOf(Change change) {
    return (ReplicatedRow) (change.after() == null ? change.before() : change.after());
  }

  /** How ClickHouse holds the row: its key exactly, or not at all. */
  public Holding holding(ReplicatedRow row) {
    List<String> key = ReplicatedTable.keyValues(row);
    List<String> values = TextList.parse(row.values());
    look(row);
    Holding worst = new Holding(Fit.EXACT, null);
    for (int i = 0; i < columns.size(); i++) {
      Written column = columns.get(i);
      String text = column.isOfKey() ? key.get(column.place) : valueOf(values, i);
      Fit fit = fit(column, text, values.isEmpty());
      if (fit == Fit.NONE) {
        return new Holding(fit, column.name);
      }
      if (fit == Fit.NEAREST && worst.fit == Fit.EXACT) {
        worst = new Holding(fit, column.name);
      }
    }
    return worst;
  }

  private static Fit fit(Written column, String text, boolean onlyKey) {
    if (text == null) {
      return column.nullable || onlyKey ? Fit.EXACT : Fit.NONE;
    }
    Fit fit = column.read(text).fit();
    return fit == Fit.NEAREST && column.isOfKey() ? Fit.NONE : fit;
  }

  private String valueOf(List<String> values, int column) {
    int place = values.isEmpty() ? -1 : places[column];
    return place < 0 ? null : values.get(place);
  }

  /** Rows behind each other mostly share the list of their columns. */
  private void look(ReplicatedRow row) {
    if (!row.columns().equals(lastNames)) {
      lastNames = row.columns();
      names = TextList.parse(lastNames);
      places = columns.stream().mapToInt(column -> names.indexOf(column.name)).toArray();
    }
  }

  @Override
  public void encode(Change change, NativeWriter out) {
    ReplicatedRow row = rowOf(change);
    List<String> key = ReplicatedTable.keyValues(row);
    List<String> values = isDeleted(change) ? List.of() : TextList.parse(row.values());
    look(row);
    for (int i = 0; i < columns.size(); i++) {
      Written column = columns.get(i);
      String text = column.isOfKey() ? key.get(column.place) : valueOf(values, i);
      if (!column.nullable || !out.writeNull(text == null)) {
        Object value = text == null ? null : column.read(text).written();
        column.type.write(value, column.digits, out);
      }
    }
    out.writeString(newColumns(values));
    VersionColumns.write(versionOf(change), out);
  }

  /** Values of columns that ClickHouse's table does not have, as a JSON object of texts. */
  private String newColumns(List<String> values) {
    if (values.isEmpty() || table.newColumns() == NewColumns.IGNORE) {
      return "";
    }
    ObjectNode object = JsonNodeFactory.instance.objectNode();
    for (int i = 0; i < names.size(); i++) {
      if (table.column(names.get(i)).isEmpty()) {
        object.put(names.get(i), values.get(i));
      }
    }
    try {
      return object.isEmpty() ? "" : JSON.writeValueAsString(object);
    } catch (JsonProcessingException impossible) {
      throw new IllegalStateException("A JSON object of texts can be written.", impossible);
    }
  }

  /** The columns of the row that ClickHouse's table does not have. */
  public List<String> newColumnsOf(ReplicatedRow row) {
    look(row);
    return names.stream().filter(name -> table.column(name).isEmpty()).toList();
  }

  private static RowVersion versionOf(Change change) {
    return new RowVersion(
        change.position().lsn(),
        change.position().committedAt(),
        RowVersion.ofSequenceNumber(change.sequenceNumber()),
        isDeleted(change),
        reasonOf(change));
  }

  private static boolean isDeleted(Change change) {
    return change.after() == null && change.kind() != ChangeKind.RETENTION_DELETE;
  }

  private static String reasonOf(Change change) {
    if (change.after() != null) {
      return "";
    }
    return switch (change.kind()) {
      case KEY_CHANGE -> "key-change";
      case RETENTION_DELETE -> RowVersion.RETENTION;
      case TRUNCATE -> "truncate";
      default -> "delete";
    };
  }
}
