package io.experimentetl.mapping;

import io.experimentetl.model.EventRow;
import io.experimentetl.model.ReplicatedRow;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TextList;
import java.io.Serializable;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * One table of the source, and the rows of ours that it gives.
 *
 * @param entry identifies the binding: its key below {@code source.tables}, such as {@code
 *     experiments}, {@code exposures} or {@code facts.orders}
 * @param table the kind of row that it gives: exposures and facts give EVENTS
 * @param mapped whether the configuration has the entry. Its ids may then be texts, and a required
 *     column that statistics do not need may be missing
 * @param schema exactly as the catalogue has it, without quotes
 * @param name exactly as the catalogue has it, without quotes
 * @param columns by the name of our column, as {@link SourceTable#columns} declares it; a column
 *     that is not in it is NULL
 * @param fact what an entry of 'facts' declares beside its columns; null: another entry
 * @param erasedWhen which of its rows erase their user; null: none. It is judged behind {@code
 *     where} and before required columns
 * @param elements how an element is read of the JSON list that our column {@code config} of a row
 *     has; null: each row of the table gives one row
 */
public record TableBinding(
    String entry,
    SourceTable table,
    boolean mapped,
    String schema,
    String name,
    Map<String, ColumnBinding> columns,
    RowFilter where,
    FactTable fact,
    RowFilter erasedWhen,
    TableBinding elements)
    implements Serializable {

  /**
   * The member of an element, beside those that the list gives it, with the number of the
   * experiment whose row has the list.
   */
  public static final String EXPERIMENT = "(experiment)";

  public TableBinding {
    columns = Collections.unmodifiableMap(new LinkedHashMap<>(columns));
  }

  /** An entry that is none of {@code facts}, and erases nobody. */
  public TableBinding(
      String entry,
      SourceTable table,
      boolean mapped,
      String schema,
      String name,
      Map<String, ColumnBinding> columns,
      RowFilter where) {
    this(entry, table, mapped, schema, name, columns, where, null, null, null);
  }

  /** The table under its name here, each column under its own. */
  public static TableBinding defaults(SourceTable table, String schema) {
    Map<String, ColumnBinding> columns = new LinkedHashMap<>();
    for (SourceColumn<?> column : table.columns().all()) {
      if (!SourceTable.isMade(column.name())) {
        columns.put(column.name(), ColumnBinding.column(column.name()));
      }
    }
    return new TableBinding(
        table.tableName(), table, false, schema, table.tableName(), columns, RowFilter.ALL);
  }

  /**
   * Whether the table holds requests of erasure: each of its rows erases a user, and is no user.
   */
  public boolean holdsRequests() {
    return entry.equals(SourceMapping.ERASED);
  }

  /** The source's columns that decide whether a row is read, or erases its user. */
  public Set<String> decidingColumns() {
    Set<String> names = new LinkedHashSet<>(where.columns());
    if (erasedWhen != null) {
      erasedWhen.collectColumns(names);
    }
    return names;
  }

  /** Where our column comes from; null: the source has none, and it is NULL. */
  public ColumnBinding column(SourceColumn<?> column) {
    return columns.get(column.name());
  }

  /** The same with another binding of one of our columns; null: the source has none. */
  public TableBinding with(String column, ColumnBinding binding) {
    Map<String, ColumnBinding> changed = new LinkedHashMap<>(columns);
    if (binding == null) {
      changed.remove(column);
    } else {
      changed.put(column, binding);
    }
    return new TableBinding(
        entry, table, true, schema, name, changed, where, fact, erasedWhen, elements);
  }

  /** The same with another binding of one of our columns; the other columns are read as before. */
  public TableBinding masked(String column, ColumnBinding binding) {
    Map<String, ColumnBinding> changed = with(column, binding).columns;
    return new TableBinding(
        entry, table, mapped, schema, name, changed, where, fact, erasedWhen, elements);
  }

  /**
   * The binding of rows that hold JSON lists, of whose elements this one is.
   *
   * @param ofHolder where the list is, as {@code config}, and what stands for other columns
   */
  public TableBinding holding(Map<String, ColumnBinding> ofHolder) {
    return new TableBinding(
        entry, table, mapped, schema, name, ofHolder, RowFilter.ALL, fact, null, this);
  }

  /** The same with other elements. */
  public TableBinding withElements(TableBinding other) {
    return new TableBinding(entry, table, mapped, schema, name, columns, where, fact, null, other);
  }

  /** The same in the rows of experiments that their binding reads. */
  public TableBinding heldBy(TableBinding experiments) {
    TableBinding named =
        with("id", experiments.columns.get("id"))
            .with("experiment_id", experiments.columns.get("id"));
    return new TableBinding(
        entry,
        table,
        mapped,
        experiments.schema,
        experiments.name,
        named.columns,
        experiments.where,
        fact,
        null,
        new TableBinding(
            entry,
            table,
            mapped,
            experiments.schema,
            experiments.name,
            elements.columns,
            elements.where,
            fact,
            null,
            null));
  }

  /** How our columns are read: of an element, if the table's rows hold lists. */
  public TableBinding ofRows() {
    return elements == null ? this : elements;
  }

  /**
   * The binding of one version of the table: of a replicated table all columns are read.
   *
   * @param present the columns that the source sends
   */
  public TableBinding reading(List<String> present) {
    return table == SourceTable.REPLICATED
        ? with(ReplicatedRow.NAMES, ColumnBinding.of(new Origin.Constant(TextList.of(present))))
            .with(ReplicatedRow.VALUES, ColumnBinding.of(new Origin.Values(present)))
        : this;
  }

  /** Whether its rows are events that name no experiment: see {@link EventRow#SHARED}. */
  public boolean isShared() {
    ColumnBinding experiment = columns.get("experiment_id");
    return table == SourceTable.EVENTS
        && experiment != null
        && experiment.origin().equals(Origin.Constant.SHARED);
  }

  /** Whether rows of a table of events may be events of the type. */
  public boolean mayGive(String eventType) {
    return !(columns.get("event_type").origin() instanceof Origin.Constant type)
        || type.value().equals(eventType);
  }

  /** The names of the source's columns that are read, in the order of ours. */
  public Set<String> sourceColumns() {
    Set<String> names = new LinkedHashSet<>();
    for (ColumnBinding column : columns.values()) {
      column.origin().collectColumns(names);
      if (column.absent() != null) {
        column.absent().collectColumns(names);
      }
    }
    names.addAll(decidingColumns());
    return names;
  }

  /** The table as messages and findings name it: {@code schema.table}. */
  public String qualifiedName() {
    return schema + "." + name;
  }

  /**
   * As {@link #qualifiedName}, without the schema where the configuration does not name the table.
   */
  public String readableName() {
    return mapped ? qualifiedName() : name;
  }

  /** How messages and findings name our column: by the source's columns that it comes from. */
  public String nameOf(SourceColumn<?> column) {
    ColumnBinding binding = column(column);
    Set<String> names = binding == null ? Set.of() : binding.origin().columns();
    return names.isEmpty() ? column.name() : String.join(", ", names);
  }
}
