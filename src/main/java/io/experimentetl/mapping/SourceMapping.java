package io.experimentetl.mapping;

import io.experimentetl.model.SourceTable;
import java.io.Serializable;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * All tables that the source reads. A table of the source may stand in several bindings, and
 * several bindings may give rows of one kind.
 *
 * @param schema of the tables that the configuration does not name
 * @param tables in the order in which a snapshot reads them: experiments first
 * @param declared the experiments that the configuration declares; null: tables hold them
 */
public record SourceMapping(String schema, List<TableBinding> tables, DeclaredExperiments declared)
    implements Serializable {

  /** The entry of the table that holds exposures. */
  public static final String EXPOSURES = "exposures";

  /** The entry of the table that holds requests of erasure. */
  public static final String ERASED = "erased";

  public SourceMapping {
    tables = List.copyOf(tables);
  }

  /** Tables that hold all rows. */
  public SourceMapping(String schema, List<TableBinding> tables) {
    this(schema, tables, null);
  }

  /** Each table under its own name in the schema. */
  public static SourceMapping defaults(String schema) {
    return new SourceMapping(
        schema,
        Arrays.stream(SourceTable.values())
            .filter(table -> table != SourceTable.REPLICATED)
            .map(table -> TableBinding.defaults(table, schema))
            .toList());
  }

  /** The bindings that a job reads. */
  public List<TableBinding> read(boolean outbox) {
    return tables.stream()
        .filter(binding -> outbox || binding.table() != SourceTable.OUTBOX_EVENTS)
        .toList();
  }

  /** The bindings that give rows of this kind; empty: the platform has none. */
  public List<TableBinding> of(SourceTable table) {
    return tables.stream()
        .filter(binding -> binding.table() == table && !binding.holdsRequests())
        .toList();
  }

  /** The bindings of which rows erase their user, and stay. */
  public List<TableBinding> erasing() {
    return tables.stream().filter(binding -> binding.erasedWhen() != null).toList();
  }

  /** Whether the source or the configuration has rows of this kind. */
  public boolean gives(SourceTable table) {
    return !of(table).isEmpty() || (declared != null && !declared.of(table).isEmpty());
  }

  /** Whether the platform has a table of users: without it every user is known. */
  public boolean hasUsers() {
    return !of(SourceTable.USERS).isEmpty();
  }

  /** The tables of metric events, in the order of the file. */
  public List<FactTable> facts() {
    return tables.stream().map(TableBinding::fact).filter(Objects::nonNull).toList();
  }

  /** Whether a table of events has {@code experiment: assigned}. */
  public boolean hasSharedFacts() {
    return tables.stream().anyMatch(TableBinding::isShared);
  }

  /** How long the source keeps rows, of the tables of metric events that say so, by their names. */
  public Map<String, Duration> retentionOfFacts() {
    return facts().stream()
        .filter(fact -> fact.retention() != null)
        .collect(Collectors.toUnmodifiableMap(FactTable::name, FactTable::retention));
  }

  /** The bindings that read a table of the source; empty: it is not captured. */
  public List<TableBinding> reading(String tableSchema, String tableName) {
    return tables.stream()
        .filter(binding -> binding.schema().equals(tableSchema) && binding.name().equals(tableName))
        .toList();
  }

  /**
   * Whether experiments are numbered by key while variants name them by id: then only the rows of
   * experiments tell which experiment a variant is of.
   */
  public boolean variantsNameOtherIds() {
    return of(SourceTable.EXPERIMENTS).stream().anyMatch(table -> isByKey(table, "id"))
        && of(SourceTable.VARIANTS).stream().noneMatch(table -> isByKey(table, "experiment_id"));
  }

  /** Whether a variant's number is made from its key. */
  public boolean variantsAreNumberedByKey() {
    return of(SourceTable.VARIANTS).stream().anyMatch(table -> isByKey(table, "id"));
  }

  private static boolean isByKey(TableBinding table, String column) {
    ColumnBinding binding = table.ofRows().columns().get(column);
    return binding != null && binding.origin() instanceof Origin.Number number && number.byKey();
  }

  /**
   * The same with the event type that the rows of {@code exposures} get.
   *
   * @param eventType see {@code statistics.exposure-event}
   */
  public SourceMapping withExposureEvent(String eventType) {
    ColumnBinding constant = ColumnBinding.of(new Origin.Constant(eventType));
    return new SourceMapping(
        schema,
        tables.stream()
            .map(
                table ->
                    table.entry().equals(EXPOSURES) ? table.with("event_type", constant) : table)
            .toList(),
        declared);
  }

  /** The same with these tables that are copied as they are, in the place of all such. */
  public SourceMapping withReplicated(List<ReplicatedTable> replicated) {
    return new SourceMapping(
        schema,
        Stream.concat(
                tables.stream().filter(table -> table.table() != SourceTable.REPLICATED),
                replicated.stream().map(ReplicatedTable::binding))
            .toList(),
        declared);
  }

  /** The binding of an entry of {@code source.tables}, or null. */
  public TableBinding entry(String entry) {
    return tables.stream().filter(binding -> binding.entry().equals(entry)).findAny().orElse(null);
  }

  /** The source's tables that give rows of this kind, for people: schema and name of each. */
  public String nameOf(SourceTable table) {
    return of(table).stream()
        .map(binding -> binding.readableName())
        .distinct()
        .collect(Collectors.joining(" and "));
  }
}
