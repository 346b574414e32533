package io.experimentetl.config;

import static io.experimentetl.config.ValueType.choice;
import static io.experimentetl.config.ValueType.duration;
import static io.experimentetl.config.ValueType.text;

import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.mapping.ReplicatedTable.NewColumns;
import io.experimentetl.mapping.ReplicatedTable.Ttl;
import io.experimentetl.mapping.SourceMapping;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/** Reads {@code replicate}: {@code docs/replicated-tables.md} has each key with an example. */
final class ReplicateConfig {
  private static final Pattern NAME = Pattern.compile("[A-Za-z][A-Za-z0-9_]*");

  /** The job's own tables and views. */
  private static final Pattern OWN =
      Pattern.compile(
          "(events|assignments|archived)_.*|experiments?|experiment_.*|variants|users|metrics|data_inconsistencies|findings_.*|etl_.*");

  private final String schema;
  private final SourceMapping tables;
  private final LookupConfig lookups;
  private final RollupConfig rollups =
      new RollupConfig(name -> NAME.matcher(name).matches() && !OWN.matcher(name).matches());
  private final List<ReplicatedTable> read = new ArrayList<>();

  private ReplicateConfig(String schema, SourceMapping tables) {
    this.schema = schema;
    this.tables = tables;
    this.lookups = new LookupConfig(schema, tables);
  }

  /** Reads the entries; an entry without a name of a table is left out. */
  static List<ReplicatedTable> read(Section section, SourceConfig source) {
    ReplicateConfig config = new ReplicateConfig(source.schema(), source.tables());
    if (section.isEmpty("replicate")) {
      return List.of();
    }
    section.groups(
        "replicate",
        entry -> {
          config.readEntry(entry);
          return "";
        },
        List.of());
    for (ReplicatedTable table : config.read) {
      if (config.rollups.has(table.name())) {
        section.error(
            "replicate",
            "has a table and a rollup of the name %s.".formatted(table.name()),
            "Give each a name of its own in ClickHouse.");
      }
    }
    if (source.type() == SourceType.KAFKA) {
      section.error(
          "replicate",
          "needs source.type: postgres, because topics do not say how a column is typed.",
          "Remove it, or read PostgreSQL.");
    }
    return config.lookups.complete(config.read);
  }

  private void readEntry(Section section) {
    String given =
        section.required("table", text(), "Name the table of PostgreSQL: SCHEMA.TABLE, or TABLE.");
    List<String> parts = given == null ? null : DottedName.parse(given);
    if (given != null && (parts == null || parts.size() > 2)) {
      section.error(
          "table",
          "\"" + given + "\" is not the name of a table.",
          "Write SCHEMA.TABLE, or TABLE for one in source.schema; put a name with a dot in double quotes.");
    }
    boolean named = parts != null && parts.size() <= 2;
    String inSchema = named && parts.size() == 2 ? parts.get(0) : schema;
    String table = named ? parts.get(parts.size() - 1) : "t";
    String name = section.get("name", text(), table);
    List<String> orderBy = section.list("order-by", text(), List.of());
    String partitionBy = section.optional("partition-by", text());
    Ttl ttl = section.optionalGroup("ttl", ReplicateConfig::ttl);
    ReplicatedTable entry =
        new ReplicatedTable(
            read.size(),
            inSchema,
            table,
            name,
            orderBy,
            partitionBy,
            ttl,
            section.get(
                "truncate",
                choice(ReplicatedTable.Truncate.class),
                ReplicatedTable.Truncate.REFUSE),
            section.get("new-columns", choice(NewColumns.class), NewColumns.JSON),
            List.of(),
            rollups.read(section, "replicate[" + read.size() + "]"),
            List.of(),
            List.of());
    lookups.read(section, entry.index());
    if (named) {
      checkNames(section, entry);
      read.add(entry);
    }
    if (Set.copyOf(orderBy).size() < orderBy.size()) {
      section.error("order-by", "names a column twice.", "Remove one of the two.");
    }
  }

  private void checkNames(Section section, ReplicatedTable entry) {
    if (!NAME.matcher(entry.name()).matches()) {
      section.error(
          "name",
          "is \"" + entry.name() + "\", which is no plain name.",
          "Name the table in ClickHouse: letters, digits and underscores, a letter first.");
    } else if (OWN.matcher(entry.name()).matches()) {
      section.error(
          "name",
          "is \"" + entry.name() + "\", which is a table of the job.",
          "Give the table another name in ClickHouse.");
    }
    for (ReplicatedTable other : read) {
      if (other.name().equals(entry.name())) {
        section.error(
            "name",
            "is the name of " + other.path() + " too.",
            "Give each table a name of its own in ClickHouse.");
      }
      if (other.qualifiedName().equals(entry.qualifiedName())) {
        section.error(
            "table", "is the table of " + other.path() + " too.", "Remove one of the two.");
      }
    }
    tables.reading(entry.schema(), entry.table()).stream()
        .findFirst()
        .ifPresent(
            binding ->
                section.error(
                    "table",
                    "is read as " + binding.entry() + " already.",
                    "Remove the entry: the rows of "
                        + binding.entry()
                        + " are in ClickHouse anyway."));
  }

  private static Ttl ttl(Section section) {
    String column =
        section.required("column", text(), "Name a column of days or times that is never NULL.");
    Duration after =
        section.get("after", duration(Duration.ofDays(1), ValueType.CENTURY), Duration.ofDays(730));
    return new Ttl(column == null ? "" : column, (int) after.toDays());
  }
}
