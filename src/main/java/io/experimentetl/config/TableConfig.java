package io.experimentetl.config;

import static io.experimentetl.config.ValueType.text;

import com.fasterxml.jackson.databind.JsonNode;
import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.FactTable;
import io.experimentetl.mapping.Origin;
import io.experimentetl.mapping.RowFilter;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.ColumnType;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Reads one entry of {@code source.tables}. */
final class TableConfig {

  static final Origin LONG_AGO = new Origin.Constant("1970-01-01T00:00:00Z");

  /** Required columns that statistics do not need, by table, and what stands for them. */
  private static final Map<SourceTable, Map<String, Origin>> DISPENSABLE =
      Map.of(
          SourceTable.EXPERIMENTS,
          Map.of(
              "status",
              new Origin.Constant("ACTIVE"),
              "version",
              new Origin.Constant("1"),
              "created_at",
              LONG_AGO,
              "updated_at",
              LONG_AGO),
          SourceTable.VARIANTS,
          Map.of(
              "is_control", new Origin.Constant("false"),
              "created_at", LONG_AGO,
              "updated_at", LONG_AGO),
          SourceTable.USERS,
          Map.of(
              "is_active", new Origin.Constant("true"),
              "created_at", LONG_AGO,
              "updated_at", LONG_AGO),
          SourceTable.ASSIGNMENTS,
          Map.of("version", new Origin.Constant("1"), "source", new Origin.Constant("hash")));

  /** Required columns that another column stands for where the table has none. */
  private static final Map<SourceTable, Map<String, String>> SUBSTITUTES =
      Map.of(
          SourceTable.EXPERIMENTS, Map.of("name", "key"),
          SourceTable.VARIANTS, Map.of("name", "key"),
          SourceTable.ASSIGNMENTS,
              Map.of("created_at", "assigned_at", "updated_at", "assigned_at"));

  private static final Map<String, SourceTable> ENTITIES =
      Map.of("experiment_id", SourceTable.EXPERIMENTS, "variant_id", SourceTable.VARIANTS);

  /** Columns that an entry of facts names beside {@code columns} too. */
  private static final List<String> OF_FACTS = List.of("event_type", "properties");

  /** Columns of an event that its experiment decides. */
  private static final List<String> OF_ONE_EXPERIMENT =
      List.of("experiment_id", "variant_id", "assignment_at");

  private final Section section;
  private final String entry;
  private final SourceTable table;
  private final String schema;
  private final FactTable fact;
  private final Map<String, ColumnBinding> columns = new LinkedHashMap<>();

  /** Whether the variants are elements of a JSON list in the rows of experiments. */
  private final boolean isList;

  /** Whether the rows name no experiment. */
  private boolean isShared;

  /**
   * The reader of an entry.
   *
   * @param fact null: it is none of facts
   */
  TableConfig(Section section, String entry, SourceTable table, String schema, FactTable fact) {
    this.section = section;
    this.fact = fact;
    this.entry = entry;
    this.table = table;
    this.schema = schema;
    this.isList = table == SourceTable.VARIANTS && !section.isEmpty("column");
  }

  /** Whether a reference names the experiment or variant by its key. */
  static boolean isByKey(ColumnBinding reference) {
    return reference.origin() instanceof Origin.Number number && number.byKey();
  }

  TableBinding binding() {
    List<String> name = tableName();
    readColumns();
    if (fact != null) {
      readBesideColumns();
    }
    if (table == SourceTable.EVENTS && !entry.equals(SourceMapping.EXPOSURES)) {
      readExperiment();
    }
    readValues();
    RowFilter where = ColumnConfig.filter(section, "where");
    if (table == SourceTable.VARIANTS) {
      readControl();
    }
    if (!holdsRequests() && (table == SourceTable.USERS || table == SourceTable.EVENTS)) {
      readProperties();
    }
    RowFilter erasedWhen = erasedWhen();
    refuseWhatIsNotSupported();
    bindUnnamed();
    bindIds();
    TableBinding binding =
        new TableBinding(
            entry, table, true, name.get(0), name.get(1), columns, where, fact, erasedWhen, null);
    return isList ? VariantListConfig.binding(section, binding) : binding;
  }

  private boolean holdsRequests() {
    return entry.equals(SourceMapping.ERASED);
  }

  /** Which rows erase their user; null: none. */
  private RowFilter erasedWhen() {
    if (holdsRequests()) {
      return RowFilter.ALL;
    }
    return table == SourceTable.USERS && !section.isEmpty("erased_when")
        ? ColumnConfig.filter(section, "erased_when")
        : null;
  }

  private List<String> tableName() {
    String given = section.optional("table", text());
    List<String> parts = given == null ? List.of(table.tableName()) : DottedName.parse(given);
    String rows =
        fact != null
            ? "metric events of " + fact.name()
            : entry.equals(SourceMapping.EXPOSURES)
                ? "exposures"
                : holdsRequests() ? "requests of erasure" : null;
    if (given == null && rows != null) {
      section.error("table", "is missing.", "Name the table that holds the " + rows + ".");
    }
    if (parts == null || parts.size() > 2) {
      section.error(
          "table",
          "\"" + given + "\" is not the name of a table.",
          "Write SCHEMA.TABLE, or TABLE for one in source.schema; put a name with a dot in double quotes.");
      return List.of(schema, table.tableName());
    }
    return parts.size() == 2 ? parts : List.of(schema, parts.get(0));
  }

  private List<String> ourColumns() {
    return table.columns().all().stream()
        .map(SourceColumn::name)
        .filter(name -> !SourceTable.isMade(name))
        .filter(name -> !holdsRequests() || name.equals("user_id"))
        .filter(name -> !isList || VariantListConfig.isOfElements(name))
        .toList();
  }

  private void readColumns() {
    for (Map.Entry<String, JsonNode> column : members("columns").entrySet()) {
      String name = column.getKey();
      String key = "columns." + name;
      if (!ourColumns().contains(name)) {
        section.error(
            key,
            "is not a column of " + table.tableName() + ".",
            ("Use one of "
                    + String.join(", ", ourColumns())
                    + ". "
                    + NearestName.question(name, ourColumns()))
                .strip());
      } else if (entry.equals(SourceMapping.EXPOSURES) && name.equals("event_type")) {
        section.error(
            key,
            "cannot be mapped: the rows of exposures have the type of statistics.exposure-event.",
            "Remove it, and select rows with where.");
      } else {
        readColumn(name, key, column.getValue());
      }
    }
  }

  private void readColumn(String name, String key, JsonNode value) {
    ColumnBinding binding =
        new ColumnConfig(
                section,
                key,
                table.columns().named(name).type() == ColumnType.TIMESTAMP,
                ENTITIES.get(name))
            .binding(value);
    if (binding != null) {
      columns.put(name, binding);
    }
  }

  /** {@code properties} may be a list of columns too: see {@link #readProperties}. */
  private void readBesideColumns() {
    for (String name : OF_FACTS) {
      JsonNode value = section.any(name);
      if (section.isEmpty(name) || (name.equals("properties") && value.isArray())) {
        continue;
      }
      if (columns.containsKey(name)) {
        section.error(name, "stands beside columns." + name + ".", "Remove one of the two.");
      } else {
        readColumn(name, name, value);
      }
    }
  }

  /** {@code experiment: assigned}: the rows name no experiment. */
  private void readExperiment() {
    String experiment = section.optional("experiment", text());
    if (experiment == null) {
      return;
    }
    if (!experiment.equals("assigned")) {
      section.error(
          "experiment",
          "is \"" + experiment + "\", which is not one of its values.",
          "Write assigned, or name the column of the experiment in columns.experiment_id.");
      return;
    }
    for (String name : OF_ONE_EXPERIMENT) {
      if (columns.remove(name) != null) {
        section.error(
            "columns." + name,
            "stands beside experiment: assigned, whose rows belong to no single experiment.",
            "Remove one of the two.");
      }
    }
    columns.put("experiment_id", ColumnBinding.of(Origin.Constant.SHARED));
    isShared = true;
  }

  /** The members of a group whose names are not ours to declare. */
  private Map<String, JsonNode> members(String key) {
    Map<String, JsonNode> members = new LinkedHashMap<>();
    JsonNode group = section.any(key);
    if (group.isObject()) {
      group.properties().forEach(member -> members.put(member.getKey(), member.getValue()));
    } else if (!group.isMissingNode() && !group.isNull()) {
      section.error(
          key,
          "is " + ValueType.describe(group) + ", not a group of columns.",
          "Write COLUMN: VALUE below it.");
    }
    return members;
  }

  private void readValues() {
    for (Map.Entry<String, JsonNode> renamed : members("values").entrySet()) {
      String name = renamed.getKey();
      String key = "values." + name;
      if (!ourColumns().contains(name)) {
        section.error(
            key,
            "is not a column of " + table.tableName() + ".",
            ("Use the name of the column here. " + NearestName.question(name, ourColumns()))
                .strip());
        continue;
      }
      ColumnBinding binding = columns.getOrDefault(name, ColumnBinding.column(name));
      if (!binding.values().isEmpty()) {
        section.error(
            key, "renames values that columns." + name + " renames too.", "Remove one of the two.");
      }
      if (binding.origin() instanceof Origin.Constant) {
        section.error(key, "renames the values of a constant.", "Remove one of the two.");
      }
      Map<String, String> values = ColumnConfig.renames(section, key, renamed.getValue());
      columns.put(
          name,
          new ColumnBinding(
              binding.origin(), values, binding.unit(), binding.zone(), binding.absent()));
    }
  }

  private void readControl() {
    RowFilter control = ColumnConfig.filter(section, "control");
    if (control.isEmpty()) {
      return;
    }
    if (columns.containsKey("is_control")) {
      section.error("control", "stands beside columns.is_control.", "Remove one of the two.");
    }
    columns.put("is_control", ColumnBinding.of(new Origin.Matches(control)));
  }

  private void readProperties() {
    JsonNode list = section.any("properties");
    if (list.isMissingNode() || list.isNull() || (fact != null && !list.isArray())) {
      return;
    }
    Set<String> names = new LinkedHashSet<>();
    for (JsonNode element : list) {
      List<String> name = element.isTextual() ? DottedName.parse(element.asText()) : null;
      if (name == null || name.size() != 1) {
        section.error(
            "properties",
            "has " + ValueType.describe(element) + ", which is not the name of a column.",
            "Write a list of columns of the source.");
      } else if (!names.add(name.get(0))) {
        section.error("properties", "has " + name.get(0) + " twice.", "Remove one of the two.");
      }
    }
    if (!list.isArray() || list.isEmpty()) {
      section.error(
          "properties",
          "is " + ValueType.describe(list) + ", not a list with at least one column.",
          "Write a list of columns of the source, or name a JSON column in columns.properties.");
    } else if (columns.containsKey("properties")) {
      section.error("properties", "stands beside columns.properties.", "Remove one of the two.");
    } else if (!names.isEmpty()) {
      columns.put("properties", ColumnBinding.of(new Origin.JsonObject(new ArrayList<>(names))));
    }
  }

  private void refuseWhatIsNotSupported() {
    List<String> keys =
        switch (table) {
          case EXPERIMENTS -> List.of("column", "path", "rows");
          case VARIANTS -> List.of("rows");
          case EVENTS -> fact == null ? List.of("assigns") : List.of();
          default -> List.of();
        };
    for (String key : keys) {
      if (!section.isEmpty(key)) {
        section.error(key, "is not supported by this version.", "Remove it.");
      }
    }
  }

  /** A required column is looked for under its own name; another one is absent. */
  private void bindUnnamed() {
    if (entry.equals(SourceMapping.EXPOSURES)) {
      columns.put("event_type", ColumnBinding.of(new Origin.Constant("exposure")));
    }
    if (fact != null) {
      columns.put(SourceTable.FACT, ColumnBinding.of(new Origin.Constant(fact.name())));
    }
    Set<String> named = Set.copyOf(columns.keySet());
    for (SourceColumn<?> column : table.columns().all()) {
      String name = column.name();
      if (named.contains(name) || column.isNullable()) {
        continue;
      }
      Origin absent = DISPENSABLE.getOrDefault(table, Map.of()).get(name);
      if ((holdsRequests() || isList) && absent != null) {
        columns.put(name, ColumnBinding.of(absent));
        continue;
      }
      String substitute = SUBSTITUTES.getOrDefault(table, Map.of()).get(name);
      if (isList && substitute != null) {
        // An element's members are its own: none is looked for but those that it must have.
        columns.put(name, columns.getOrDefault(substitute, ColumnBinding.column(substitute)));
        continue;
      }
      ColumnBinding other =
          substitute == null
              ? ColumnBinding.column(name)
              : columns.getOrDefault(substitute, ColumnBinding.column(substitute));
      columns.put(
          name,
          new ColumnBinding(
              new Origin.Column(name),
              Map.of(),
              other.unit(),
              other.zone(),
              substitute == null ? absent : other.origin()));
    }
  }

  /** Ids may be texts: of those the warehouse has a number. */
  private void bindIds() {
    if (isList) {
      columns.put("experiment_id", VariantListConfig.experiment());
    }
    if (entry.equals(SourceMapping.EXPOSURES) || fact != null) {
      String name = fact == null ? entry : fact.name();
      ColumnBinding id = columns.get("id");
      columns.put("id", id.from(new Origin.EventKey(name, id.origin())));
    }
    if (table != SourceTable.USERS && table != SourceTable.EVENTS) {
      ColumnBinding id = columns.get("id");
      columns.put("id", id.from(new Origin.Number(table, id.origin(), false)));
      columns.put(SourceTable.SOURCE_ID, id.from(new Origin.SourceId(id.origin())));
    }
    ENTITIES.forEach(
        (name, entity) -> {
          ColumnBinding reference = columns.get(name);
          if (reference != null && !isByKey(reference) && !isShared && !isList) {
            columns.put(name, reference.from(new Origin.Number(entity, reference.origin(), false)));
          }
        });
    ColumnBinding variant = columns.get("variant_id");
    if (variant != null && variant.origin() instanceof Origin.Number number && number.byKey()) {
      // The key of a variant is unique in its experiment only.
      Origin key = new Origin.Key(List.of(columns.get("experiment_id").origin(), number.text()));
      columns.put("variant_id", variant.from(new Origin.Number(number.entity(), key, true)));
    }
  }
}
