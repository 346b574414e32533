package io.experimentetl.operations;

import static io.experimentetl.operations.TableLikeness.BOOLS;
import static io.experimentetl.operations.TableLikeness.IDS;
import static io.experimentetl.operations.TableLikeness.JSON;
import static io.experimentetl.operations.TableLikeness.NUMBERS;
import static io.experimentetl.operations.TableLikeness.TEXTS;
import static io.experimentetl.operations.TableLikeness.TIMES;
import static io.experimentetl.operations.TableLikeness.best;
import static io.experimentetl.operations.TableLikeness.idOf;
import static io.experimentetl.operations.TableLikeness.singular;
import static io.experimentetl.operations.TableLikeness.time;

import io.experimentetl.mapping.FoundTable;
import io.experimentetl.mapping.FoundTable.Column;
import io.experimentetl.mapping.FoundTable.Kind;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/** Guesses the columns of the tables that a {@link MappingSuggestion} has chosen. */
final class SuggestedEntries {
  private static final List<String> PERSONAL =
      List.of(
          "email",
          "mail",
          "name",
          "phone",
          "password",
          "token",
          "secret",
          "hash",
          "address",
          "birthday",
          "iban",
          "ip");

  /** What other platforms call our statuses. */
  private static final Map<String, String> STATUSES =
      new TreeMap<>(
          Map.ofEntries(
              Map.entry("RUNNING", "ACTIVE"),
              Map.entry("LIVE", "ACTIVE"),
              Map.entry("STARTED", "ACTIVE"),
              Map.entry("ENABLED", "ACTIVE"),
              Map.entry("ON", "ACTIVE"),
              Map.entry("DONE", "COMPLETED"),
              Map.entry("FINISHED", "COMPLETED"),
              Map.entry("ENDED", "COMPLETED"),
              Map.entry("CONCLUDED", "COMPLETED"),
              Map.entry("STOPPED", "COMPLETED"),
              Map.entry("NEW", "DRAFT"),
              Map.entry("PLANNED", "DRAFT"),
              Map.entry("SUSPENDED", "PAUSED"),
              Map.entry("HALTED", "PAUSED"),
              Map.entry("DELETED", "ARCHIVED"),
              Map.entry("DISABLED", "ARCHIVED")));

  private static final Set<String> KNOWN =
      Set.of("DRAFT", "ACTIVE", "PAUSED", "COMPLETED", "ARCHIVED");

  private final GuessedEntities entities;

  SuggestedEntries(GuessedEntities entities) {
    this.entities = entities;
  }

  SuggestedTable experiments(FoundTable table) {
    SuggestedTable entry = new SuggestedTable("experiments", table);
    Set<String> used = new HashSet<>();
    bindId(entry, used, idOf(table));
    Optional<Column> key =
        best(table, TEXTS, used, "key", "slug", "code", "handle", "name", "title");
    bind(entry, used, "key", key);
    bind(entry, used, "name", best(table, TEXTS, used, "name", "title", "label"));
    bind(
        entry, used, "description", best(table, TEXTS, used, "description", "hypothesis", "notes"));
    Optional<Column> status = best(table, TEXTS, used, "status", "state", "phase");
    bind(entry, used, "status", status);
    bind(entry, used, "seed", best(table, TEXTS, used, "seed", "salt"));
    bind(entry, used, "version", best(table, NUMBERS, used, "version", "revision"));
    bind(entry, used, "config", best(table, JSON, used, "config", "settings", "options"));
    bindTime(
        entry,
        used,
        "starts_at",
        "starts at",
        "start at",
        "started at",
        "start time",
        "start",
        "begin",
        "launched at");
    bindTime(
        entry,
        used,
        "ends_at",
        "ends at",
        "end at",
        "ended at",
        "end time",
        "end",
        "finish",
        "stop",
        "until");
    bindTime(entry, used, "created_at", "created at", "created", "inserted at");
    bindTime(entry, used, "updated_at", "updated at", "updated", "modified at", "changed at");
    status.ifPresent(column -> addStatuses(entry, column));
    return entry;
  }

  private static void addStatuses(SuggestedTable entry, Column status) {
    List<String> renames =
        status.labels().stream()
            .filter(label -> !KNOWN.contains(label))
            .map(
                label -> {
                  String upper = label.toUpperCase(Locale.ROOT);
                  return "%s: %s"
                      .formatted(
                          SuggestedTable.scalar(label),
                          KNOWN.contains(upper) ? upper : STATUSES.getOrDefault(upper, "DRAFT"));
                })
            .toList();
    if (!renames.isEmpty()) {
      entry.add("values: {status: {" + String.join(", ", renames) + "}}");
    } else if (status.labels().isEmpty()) {
      entry.add(
          "# values: {status: {RUNNING: ACTIVE}}  # for each that is not one of DRAFT, ACTIVE, PAUSED, COMPLETED, ARCHIVED");
    }
  }

  SuggestedTable variants(FoundTable table) {
    SuggestedTable entry = new SuggestedTable("variants", table);
    Set<String> used = new HashSet<>();
    bindReference(entry, used, "experiment_id", entities.experiment(table));
    bindId(entry, used, idOf(table));
    Optional<Column> key =
        best(table, TEXTS, used, "key", "slug", "code", "name", "label", "value");
    bind(entry, used, "key", key);
    bind(entry, used, "name", best(table, TEXTS, used, "name", "title", "label"));
    bind(entry, used, "description", best(table, TEXTS, used, "description", "notes"));
    Optional<Column> weight =
        best(
            table,
            NUMBERS,
            used,
            "allocation pct",
            "weight",
            "allocation",
            "percentage",
            "percent",
            "share",
            "traffic",
            "split",
            "ratio");
    bind(entry, used, "allocation_pct", weight);
    if (weight.isEmpty()) {
      entry.bind(
          "allocation_pct", "{constant: 1}", "no column of weights was found: all are equal");
    }
    Optional<Column> control =
        best(table, BOOLS, used, "is control", "control", "is baseline", "baseline", "is default");
    bind(entry, used, "is_control", control);
    bind(entry, used, "config", best(table, JSON, used, "config", "settings", "payload"));
    bindTime(entry, used, "created_at", "created at", "created");
    bindTime(entry, used, "updated_at", "updated at", "updated", "modified at");
    if (control.isEmpty() && key.isPresent()) {
      entry.add(
          "control: {%s: control}  # the value that the control has"
              .formatted(SuggestedTable.name(key.get().name())));
    }
    return entry;
  }

  SuggestedTable users(FoundTable table) {
    SuggestedTable entry = new SuggestedTable("users", table);
    Set<String> used = new HashSet<>();
    List<Column> id = idOf(table);
    entry.bind("user_id", SuggestedTable.name(id.get(0).name()), id.get(0).type());
    used.add(id.get(0).name());
    bind(entry, used, "email", best(table, TEXTS, used, "email", "mail"));
    bind(entry, used, "name", best(table, TEXTS, used, "name", "full name", "display name"));
    bind(entry, used, "is_active", best(table, BOOLS, used, "is active", "active", "enabled"));
    bindTime(entry, used, "created_at", "created at", "created", "registered at", "joined at");
    bindTime(entry, used, "updated_at", "updated at", "updated", "modified at");
    bindProperties(entry, used, column -> column.kind() != Kind.TIME);
    return entry;
  }

  SuggestedTable assignments(FoundTable table) {
    SuggestedTable entry = new SuggestedTable("assignments", table);
    Set<String> used = new HashSet<>();
    bindFact(entry, used);
    bindReference(entry, used, "variant_id", entities.variant(table));
    bindTime(
        entry,
        used,
        "assigned_at",
        "assigned at",
        "assigned",
        "bucketed at",
        "enrolled at",
        "created at",
        "timestamp",
        "time",
        "at");
    bindTime(entry, used, "enrolled_at", "enrolled at");
    bind(entry, used, "source", best(table, TEXTS, used, "source", "origin"));
    bind(entry, used, "context", best(table, JSON, used, "context", "payload"));
    bindTime(entry, used, "created_at", "created at", "created");
    bindTime(entry, used, "updated_at", "updated at", "updated", "modified at");
    return entry;
  }

  SuggestedTable exposures(FoundTable table) {
    SuggestedTable entry = new SuggestedTable("exposures", table);
    Set<String> used = new HashSet<>();
    bindEvent(entry, used);
    bindProperties(entry, used, column -> NUMBERS.contains(column.kind()));
    return entry;
  }

  SuggestedTable events(FoundTable table) {
    SuggestedTable entry = new SuggestedTable("events", table);
    Set<String> used = new HashSet<>();
    bindEvent(entry, used);
    Optional<Column> type =
        best(
            table,
            TEXTS,
            used,
            "event type",
            "event name",
            "event",
            "type",
            "kind",
            "action",
            "name");
    bind(entry, used, "event_type", type);
    if (type.isEmpty()) {
      entry.bind(
          "event_type",
          "{constant: %s}".formatted(SuggestedTable.scalar(singular(table))),
          "no column of types was found");
    }
    bind(entry, used, "session_id", best(table, IDS, used, "session id", "session"));
    bind(entry, used, "request_id", best(table, IDS, used, "request id"));
    bind(entry, used, "device_id", best(table, IDS, used, "device id", "device"));
    bindProperties(entry, used, column -> NUMBERS.contains(column.kind()));
    return entry;
  }

  /** What exposures and events have. */
  private void bindEvent(SuggestedTable entry, Set<String> used) {
    bindFact(entry, used);
    bindReference(entry, used, "variant_id", entities.variant(entry.table()));
    time(entry.table()).ifPresent(at -> bindTime(entry, used, "timestamp", at));
  }

  /** The id and the references that assignments, exposures and events have. */
  private void bindFact(SuggestedTable entry, Set<String> used) {
    FoundTable table = entry.table();
    bindReference(entry, used, "experiment_id", entities.experiment(table));
    entities
        .user(table)
        .ifPresent(
            column -> {
              used.add(column.name());
              entry.bind("user_id", column);
            });
    bindId(entry, used, idOf(table));
  }

  private static void bindId(SuggestedTable entry, Set<String> used, List<Column> id) {
    if (id.isEmpty()) {
      return;
    }
    String names =
        id.stream()
            .map(column -> SuggestedTable.name(column.name()))
            .collect(Collectors.joining(", "));
    entry.bind(
        "id",
        id.size() == 1 ? names : "[" + names + "]",
        id.size() == 1 ? id.get(0).type() : "the table's key");
    if (id.size() == 1) {
      used.add(id.get(0).name());
    }
  }

  private static void bind(
      SuggestedTable entry, Set<String> used, String ours, Optional<Column> column) {
    column.ifPresent(
        found -> {
          used.add(found.name());
          entry.bind(ours, found);
        });
  }

  private void bindTime(SuggestedTable entry, Set<String> used, String ours, String... words) {
    best(entry.table(), TIMES, used, words)
        .ifPresent(column -> bindTime(entry, used, ours, column));
  }

  /** A number counts units, and a time without zone has one that the catalogue does not tell. */
  private static void bindTime(SuggestedTable entry, Set<String> used, String ours, Column column) {
    used.add(column.name());
    String name = SuggestedTable.name(column.name());
    if (column.kind() != Kind.TIME) {
      boolean isMillis =
          column.name().matches("(?i).*(ms|millis)") || column.type().equals("bigint");
      entry.bind(
          ours,
          "{column: %s, unit: %s}".formatted(name, isMillis ? "ms" : "s"),
          column.type() + ": check the unit");
    } else if (column.type().contains("with time zone")) {
      entry.bind(ours, column);
    } else {
      entry.bind(
          ours, "{column: %s, zone: UTC}".formatted(name), column.type() + ": check the zone");
    }
  }

  /** A text refers to the key where the other table's id is no text. */
  private void bindReference(
      SuggestedTable entry, Set<String> used, String ours, Optional<Column> column) {
    if (column.isEmpty()) {
      return;
    }
    used.add(column.get().name());
    FoundTable target = ours.equals("experiment_id") ? entities.experiments() : entities.variants();
    boolean byKey = target != null && isKeyOf(entry.table(), column.get(), target);
    boolean ofVariant = entry.table().equals(entities.variants());
    if (byKey && !ofVariant) {
      entry.bind(
          ours,
          "{key: %s}".formatted(SuggestedTable.name(column.get().name())),
          column.get().type());
    } else {
      entry.bind(ours, column.get());
    }
  }

  private boolean isKeyOf(FoundTable table, Column column, FoundTable target) {
    List<Column> id = idOf(target);
    Optional<FoundTable.Reference> reference =
        table.references().stream()
            .filter(found -> found.column().equals(column.name()))
            .filter(found -> target.is(found.schema(), found.table()))
            .findFirst();
    return id.size() == 1
        && reference
            .map(found -> !found.referenced().equals(id.get(0).name()))
            .orElse(column.kind() == Kind.TEXT && id.get(0).kind() != Kind.TEXT);
  }

  private static void bindProperties(
      SuggestedTable entry, Set<String> used, Predicate<Column> isWanted) {
    Optional<Column> json =
        best(
            entry.table(),
            JSON,
            used,
            "properties",
            "props",
            "payload",
            "data",
            "attributes",
            "metadata");
    if (json.isPresent()) {
      bind(entry, used, "properties", json);
      return;
    }
    List<String> names =
        entry.table().columns().stream()
            .filter(column -> !used.contains(column.name()))
            .filter(column -> column.kind() != Kind.OTHER && isWanted.test(column))
            .filter(column -> NameLikeness.of(column.name(), Set.of(), PERSONAL) == 0)
            .map(column -> SuggestedTable.name(column.name()))
            .toList();
    if (!names.isEmpty()) {
      entry.add("properties: [" + String.join(", ", names) + "]");
    }
  }
}
