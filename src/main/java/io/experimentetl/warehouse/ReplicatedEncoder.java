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

  /** A column that only the source has. */
  private record NewColumn(String name, int place) {}

  /**
   * How ClickHouse holds a row.
   *
   * @param column that does not hold its value; null: every column does
   */
  public record Holding(Fit fit, String column) {}

  private final ReplicatedTable table;
  private final List<Written> columns;

  /** Null: the table has one partition. */
  private final Written partitionedBy;

  private transient String lastNames;
  private transient int[] places;
  private transient List<NewColumn> newColumns;

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
    this.partitionedBy =
        columns.stream()
            .filter(column -> column.name.equals(table.partitionBy()))
            .findFirst()
            .orElse(null);
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
    if (partitionedBy == null) {
      return 0;
    }
    List<String> key = ReplicatedTable.keyValues(rowOf(change));
    long value = (Long) partitionedBy.read(key.get(partitionedBy.place)).written();
    long day =
        partitionedBy.type == ReplicatedType.DAY
            ? value
            : Math.floorDiv(value, TimeUnit.DAYS.toMicros(1));
    LocalDate date = LocalDate.ofEpochDay(day);
    return date.getYear() * 100L + date.getMonthValue();
  }

  @Override
  public boolean isReplayStable(Change change) {
    // What is looked up depends on when the other table's change was seen.
    return table.lookups().isEmpty() && versionOf(change).isReplayStable();
  }

  private static ReplicatedRow rowOf(Change change) {
    return (ReplicatedRow) change.row();
  }

  /** How ClickHouse holds the row: its key exactly, or not at all. */
  public Holding holding(ReplicatedRow row) {
    List<String> key = ReplicatedTable.keyValues(row);
    List<String> values = values(row);
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

  /** Whether a column can hold a value, or the nearest to it; null: NULL. */
  public boolean holds(String column, String text) {
    return columns.stream()
        .filter(written -> written.name.equals(column))
        .allMatch(written -> fit(written, text, false) != Fit.NONE);
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

  /** The row's values, with their places looked up; empty: only the key is known. */
  private List<String> values(ReplicatedRow row) {
    // A tombstone between two rows does not part them.
    if (!row.values().isEmpty()) {
      look(row);
    }
    return TextList.parse(row.values());
  }

  /** Rows behind each other mostly share the list of their columns. */
  private void look(ReplicatedRow row) {
    if (row.columns().equals(lastNames)) {
      return;
    }
    lastNames = row.columns();
    List<String> names = TextList.parse(lastNames);
    places = columns.stream().mapToInt(column -> names.indexOf(column.name)).toArray();
    newColumns = new ArrayList<>();
    for (int place = 0; place < names.size(); place++) {
      if (table.column(names.get(place)).isEmpty()) {
        newColumns.add(new NewColumn(names.get(place), place));
      }
    }
  }

  @Override
  public void encode(Change change, NativeWriter out) {
    ReplicatedRow row = rowOf(change);
    List<String> key = ReplicatedTable.keyValues(row);
    List<String> values = VersionColumns.isTombstone(change) ? List.of() : values(row);
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
    newColumns.forEach(column -> object.put(column.name, values.get(column.place)));
    try {
      return object.isEmpty() ? "" : JSON.writeValueAsString(object);
    } catch (JsonProcessingException impossible) {
      throw new IllegalStateException("A JSON object of texts can be written.", impossible);
    }
  }

  /** The columns of the row that ClickHouse's table does not have. */
  public List<String> newColumnsOf(ReplicatedRow row) {
    look(row);
    return newColumns.stream().map(NewColumn::name).toList();
  }

  private static RowVersion versionOf(Change change) {
    RowVersion version = VersionColumns.of(change, "delete");
    Long revision = rowOf(change).revision();
    return revision == null ? version : version.revised(revision);
  }
}
