package io.experimentetl.operations;

import io.experimentetl.config.JobConfig;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricTerm;
import io.experimentetl.config.Population;
import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.FactTable;
import io.experimentetl.mapping.FoundTable;
import io.experimentetl.mapping.Origin;
import io.experimentetl.mapping.RowFilter;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What the source mapping binds to what, and what is not there. */
final class MappingReport {
  private final JobConfig config;
  private final SourceMapping mapping;
  private final List<FoundTable> tables;

  MappingReport(JobConfig config, List<FoundTable> tables) {
    this.config = config;
    this.mapping = config.source().tables();
    this.tables = tables;
  }

  /** The bindings, a line for each column. */
  List<String> bindings() {
    List<String> lines = new ArrayList<>();
    if (mapping.declared() != null) {
      lines.add(
          "experiments from the configuration: "
              + mapping.declared().experiments().stream()
                  .map(ExperimentRow::key)
                  .collect(Collectors.joining(", ")));
    }
    for (TableBinding binding : mapping.read(config.outbox().enabled())) {
      if (binding.table() != SourceTable.ETL_HEARTBEAT) {
        add(binding, lines);
      }
    }
    return lines;
  }

  private void add(TableBinding binding, List<String> lines) {
    Optional<FoundTable> table = tableOf(binding);
    lines.add(
        "%s from %s%s"
            .formatted(
                binding.entry(),
                binding.qualifiedName(),
                binding.mapped() ? "" : ", the default table"));
    if (binding.table() == SourceTable.REPLICATED) {
      lines.add("  every column     copied as it is");
      return;
    }
    List<String> unmapped = new ArrayList<>();
    for (SourceColumn<?> column : binding.table().columns().all()) {
      if (binding.holdsRequests() && !column.isKey()) {
        continue;
      }
      ColumnBinding bound = binding.ofRows().column(column);
      Optional<String> from = bound == null ? Optional.empty() : from(bound, table);
      if (from.isPresent()) {
        lines.add("  %-16s %s".formatted(column.name(), from.get()));
      } else {
        unmapped.add(column.name());
      }
    }
    if (!unmapped.isEmpty()) {
      lines.add("  absent           " + String.join(", ", unmapped));
    }
    if (binding.elements() != null) {
      lines.add(
          "  its rows         elements of the list in "
              + words(binding.column(binding.table().columns().named("config")).origin())
              + (binding.elements().where().isEmpty()
                  ? ""
                  : " where " + words(binding.elements().where())));
    }
    if (binding.isShared()) {
      lines.add("  its rows         count in every experiment of their user");
    }
    if (binding.fact() != null) {
      lines.add("  its rows         " + words(binding.fact()));
    }
    if (binding.holdsRequests()) {
      lines.add("  its rows         each erases its user, as long as it stands");
    } else if (binding.erasedWhen() != null) {
      lines.add("  erased where     " + words(binding.erasedWhen()));
    }
    if (!binding.where().isEmpty()) {
      lines.add("  only rows where  " + words(binding.where()));
    }
  }

  /** Empty: the table has no such column, and nothing stands for it. */
  private static Optional<String> from(ColumnBinding bound, Optional<FoundTable> table) {
    boolean isThere =
        table.isEmpty()
            || bound.origin().columns().stream()
                .allMatch(name -> table.get().column(name).isPresent());
    if (!isThere) {
      return Optional.ofNullable(bound.absent()).map(MappingReport::words);
    }
    StringBuilder text = new StringBuilder(words(bound.origin()));
    if (bound.origin() instanceof Origin.Column column) {
      table
          .flatMap(found -> found.column(column.name()))
          .ifPresent(found -> text.append(" (").append(found.type()).append(')'));
    }
    if (bound.unit() != null) {
      text.append(", in ").append(bound.unit().text()).append(" since 1970");
    }
    if (bound.zone() != null) {
      text.append(", in the zone ").append(bound.zone());
    }
    if (!bound.values().isEmpty()) {
      text.append(
          new TreeMap<>(bound.values())
              .entrySet().stream()
                  .map(value -> value.getKey() + " is " + value.getValue())
                  .collect(Collectors.joining(", ", "; ", "")));
    }
    return Optional.of(text.toString());
  }

  private static String words(FactTable fact) {
    String retention =
        fact.retention() == null
            ? "the source keeps them for retention.postgres.events"
            : fact.retention().equals(FactTable.FOR_EVER)
                ? "the source keeps them for ever"
                : "the source keeps them for " + fact.retention().toDays() + " days";
    return (fact.mutable() ? "may change; " : "do not change; ") + retention;
  }

  private static String words(Origin origin) {
    if (origin instanceof Origin.Column column) {
      return column.name();
    } else if (origin instanceof Origin.JsonPath path) {
      return path.column() + " at " + String.join(".", path.path());
    } else if (origin instanceof Origin.Constant constant) {
      return "always '" + constant.value() + "'";
    } else if (origin instanceof Origin.Key key) {
      return "the key of "
          + key.parts().stream().map(MappingReport::words).collect(Collectors.joining(", "));
    } else if (origin instanceof Origin.Number number) {
      return (number.byKey() ? "the number of the key " : "") + words(number.text());
    } else if (origin instanceof Origin.SourceId id) {
      return words(id.text()) + ", unless it is an integer";
    } else if (origin instanceof Origin.EventKey key) {
      return words(key.text()) + " beside the name " + key.entry();
    } else if (origin instanceof Origin.Masked masked) {
      return "the HMAC of " + words(masked.text());
    } else if (origin instanceof Origin.Matches filter) {
      return "whether " + words(filter.filter());
    } else if (origin instanceof Origin.JsonObject object) {
      return "an object of " + String.join(", ", object.members());
    }
    throw new IllegalStateException("No words for " + origin);
  }

  private static String words(RowFilter filter) {
    return filter.conditions().stream()
        .map(
            condition ->
                condition.column()
                    + " is "
                    + Stream.of(
                            new TreeSet<>(condition.values()).stream(),
                            Stream.of("null").filter(none -> condition.matchesNull()),
                            Stream.of("not null").filter(none -> condition.matchesAnyValue()))
                        .flatMap(words -> words)
                        .collect(Collectors.joining(" or ")))
        .collect(Collectors.joining(", and "));
  }

  /** What the mapping does not have, each with what it disables. */
  List<String> gaps() {
    List<String> gaps = new ArrayList<>();
    addPopulation(gaps);
    for (TableBinding variants : mapping.of(SourceTable.VARIANTS)) {
      if (!isRead(variants, "is_control")) {
        gaps.add(
            "No control: there are no effects and no tests. Name it: source.tables.variants.control: {COLUMN: VALUE}.");
      }
    }
    addDeclaredWithoutControl(gaps);
    for (TableBinding experiments : mapping.of(SourceTable.EXPERIMENTS)) {
      addUnless(experiments, "status", gaps, "every experiment counts as ACTIVE");
      addUnless(experiments, "starts_at", gaps, "experiments count from the first exposure on");
      addUnless(experiments, "ends_at", gaps, "experiments have no end");
      addUnless(
          experiments,
          "config",
          gaps,
          "no experiment has a zone of its own: days are in statistics.zone ("
              + config.statistics().zone()
              + ")");
    }
    if (!mapping.hasUsers()) {
      gaps.add(
          "No users: users are whoever is assigned or exposed. There are no segments by a user's properties."
              + (mapping.erasing().isEmpty()
                  ? " Nothing erases a user: map source.tables.erased."
                  : ""));
    }
    for (TableBinding users : mapping.of(SourceTable.USERS)) {
      addUnless(users, "properties", gaps, "there are no segments by a user's properties");
    }
    for (TableBinding assignments : mapping.of(SourceTable.ASSIGNMENTS)) {
      addUnless(
          assignments,
          "source",
          gaps,
          "overridden and forced assignments cannot be told from random ones, and count");
    }
    for (TableBinding events : mapping.of(SourceTable.EVENTS)) {
      if (mayExpose(events)) {
        addUnless(
            events,
            "variant_id",
            gaps,
            "a user who saw another variant than the assigned one is not noticed");
      }
      addMetricsOfProperties(events, gaps);
    }
    return gaps;
  }

  private void addDeclaredWithoutControl(List<String> gaps) {
    if (mapping.declared() == null) {
      return;
    }
    for (ExperimentRow experiment : mapping.declared().experiments()) {
      if (mapping.declared().variants().stream()
          .noneMatch(variant -> variant.experimentId() == experiment.id() && variant.control())) {
        gaps.add(
            "No control in %s: it has no effects and no tests. Set control: true for one of its variants."
                .formatted(experiment.key()));
      }
    }
  }

  private void addPopulation(List<String> gaps) {
    Population population = config.statistics().population();
    if (population == Population.EXPOSURE
        && mapping.of(SourceTable.EVENTS).stream().noneMatch(this::mayExpose)) {
      gaps.add(
          "No exposures: with statistics.population: exposure no user counts. Set statistics.population: assigned, or map source.tables.exposures.");
    }
    if (population == Population.ENROLLED
        && mapping.of(SourceTable.ASSIGNMENTS).stream()
            .noneMatch(binding -> isRead(binding, "enrolled_at"))) {
      gaps.add(
          "No assignments.enrolled_at: with statistics.population: enrolled no user counts. Set statistics.population: assigned, or map it.");
    }
    if (mapping.of(SourceTable.EVENTS).stream()
        .noneMatch(binding -> !binding.entry().equals(SourceMapping.EXPOSURES))) {
      gaps.add("No metric events: no metric has a value.");
    }
  }

  private boolean mayExpose(TableBinding events) {
    return events.mayGive(config.statistics().exposureEvent());
  }

  /** Whether the metric may sum rows of this table. */
  private static boolean mayCount(MetricTerm term, TableBinding events) {
    return (term.fact() == null
            || (events.fact() != null && events.fact().name().equals(term.fact())))
        && events.mayGive(term.eventType());
  }

  private void addMetricsOfProperties(TableBinding events, List<String> gaps) {
    String metrics =
        config.statistics().metrics().stream()
            .filter(
                metric ->
                    metric.terms().stream()
                        .anyMatch(term -> term.property() != null && mayCount(term, events)))
            .map(MetricConfig::name)
            .collect(Collectors.joining(", "));
    if (!metrics.isEmpty() && !events.entry().equals(SourceMapping.EXPOSURES)) {
      addUnless(
          events,
          "properties",
          gaps,
          "the metrics %s, which sum a property, have no value".formatted(metrics));
    }
  }

  private void addUnless(TableBinding binding, String column, List<String> gaps, String effect) {
    if (!isRead(binding, column)) {
      gaps.add(
          "No %s in %s: %s. Map source.tables.%s.columns.%s."
              .formatted(column, binding.qualifiedName(), effect, binding.entry(), column));
    }
  }

  /** Empty: it is not there, or its rows hold lists, whose members nobody declares. */
  private Optional<FoundTable> tableOf(TableBinding binding) {
    return binding.elements() != null
        ? Optional.empty()
        : tables.stream().filter(found -> found.is(binding.schema(), binding.name())).findFirst();
  }

  /** Whether the column has values that differ from row to row. */
  private boolean isRead(TableBinding binding, String column) {
    ColumnBinding bound = binding.ofRows().columns().get(column);
    Optional<FoundTable> table = tableOf(binding);
    return bound != null
        && !bound.origin().columns().isEmpty()
        && (table.isEmpty()
            || bound.origin().columns().stream()
                .allMatch(name -> table.get().column(name).isPresent()));
  }
}
