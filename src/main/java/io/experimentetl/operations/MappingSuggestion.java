package io.experimentetl.operations;

import static io.experimentetl.operations.TableLikeness.ASSIGNMENTS;
import static io.experimentetl.operations.TableLikeness.BOOLS;
import static io.experimentetl.operations.TableLikeness.EVENTS;
import static io.experimentetl.operations.TableLikeness.EXPERIMENTS;
import static io.experimentetl.operations.TableLikeness.EXPOSURES;
import static io.experimentetl.operations.TableLikeness.NUMBERS;
import static io.experimentetl.operations.TableLikeness.TEXTS;
import static io.experimentetl.operations.TableLikeness.TIMES;
import static io.experimentetl.operations.TableLikeness.USERS;
import static io.experimentetl.operations.TableLikeness.VARIANTS;
import static io.experimentetl.operations.TableLikeness.idOf;
import static io.experimentetl.operations.TableLikeness.like;
import static io.experimentetl.operations.TableLikeness.name;
import static io.experimentetl.operations.TableLikeness.time;

import io.experimentetl.mapping.FoundTable;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.ToDoubleFunction;

/**
 * Guesses which tables and columns of an unknown schema hold experiments, variants, users,
 * assignments, exposures and events, by their names, types and keys. It is a text to start from.
 */
final class MappingSuggestion {
  private static final Set<String> OURS =
      Set.of(
          "etl_heartbeat", "etl_watermark", "etl_undelivered", "etl_schedule", "etl_table_sizes");

  private final List<FoundTable> candidates;
  private GuessedEntities entities = new GuessedEntities(null, null, null);

  MappingSuggestion(List<FoundTable> tables) {
    this.candidates =
        new ArrayList<>(tables.stream().filter(table -> !OURS.contains(table.name())).toList());
  }

  /** The lines of {@code source.tables}. */
  List<String> yaml() {
    List<String> lines = new ArrayList<>();
    lines.add("# Guessed from names, types and keys. Check every line, then run map with it.");
    lines.add("source:");
    lines.add("  tables:");
    FoundTable experiments = take(this::likeExperiments);
    entities = new GuessedEntities(experiments, null, null);
    FoundTable variants = experiments == null ? null : take(this::likeVariants);
    entities = new GuessedEntities(experiments, variants, null);
    FoundTable assignments = experiments == null ? null : take(this::likeAssignments);
    FoundTable exposures =
        experiments == null ? null : take(table -> likeFact(table, EXPOSURES, true));
    FoundTable users = take(this::likeUsers);
    entities = new GuessedEntities(experiments, variants, users);
    FoundTable events = experiments == null ? null : take(table -> likeFact(table, EVENTS, false));
    SuggestedEntries entries = new SuggestedEntries(entities);
    add(lines, "experiments", experiments, entries::experiments);
    add(lines, "variants", variants, entries::variants);
    if (users == null) {
      lines.add("    # No table looks like users: users are whoever is assigned or exposed.");
      lines.add("    users: none");
    } else {
      lines.addAll(entries.users(users).lines());
    }
    add(lines, "assignments", assignments, entries::assignments);
    if (exposures != null) {
      lines.addAll(entries.exposures(exposures).lines());
    }
    if (events == null) {
      lines.add("    # No table looks like metric events that name their experiment.");
      lines.add("    events: none");
    } else {
      lines.addAll(entries.events(events).lines());
    }
    return lines;
  }

  private interface Writer {
    SuggestedTable write(FoundTable table);
  }

  private static void add(List<String> lines, String entry, FoundTable table, Writer writer) {
    if (table == null) {
      lines.add("    # No table looks like " + entry + ": write its entry by hand.");
    } else {
      lines.addAll(writer.write(table).lines());
    }
  }

  /** The best table, which no other entry gets then; null: none is likely. */
  private FoundTable take(ToDoubleFunction<FoundTable> likeness) {
    FoundTable best = null;
    double most = 0;
    for (FoundTable table : candidates) {
      double like = likeness.applyAsDouble(table);
      if (like > most) {
        most = like;
        best = table;
      }
    }
    candidates.remove(best);
    return best;
  }

  private double likeExperiments(FoundTable table) {
    double name = name(table, EXPERIMENTS);
    return name == 0 || idOf(table).size() != 1 || entities.user(table).isPresent()
        ? 0
        : 3 * name
            + like(table, TEXTS, "status", "state")
            + like(table, TIMES, "starts at", "start")
            + like(table, TEXTS, "key", "name")
            + referencesTo(table)
            - name(table, VARIANTS);
  }

  private double likeVariants(FoundTable table) {
    return entities.experiment(table).isEmpty() || entities.user(table).isPresent()
        ? 0
        : 1
            + 3 * name(table, VARIANTS)
            + like(table, NUMBERS, "weight", "allocation", "percent", "share")
            + like(table, BOOLS, "control", "is control")
            - 2 * name(table, EVENTS);
  }

  private double likeAssignments(FoundTable table) {
    return entities.experiment(table).isEmpty()
            || entities.user(table).isEmpty()
            || entities.variant(table).isEmpty()
        ? 0
        : 1 + 3 * name(table, ASSIGNMENTS) - 2 * name(table, EXPOSURES) - 2 * name(table, EVENTS);
  }

  private double likeUsers(FoundTable table) {
    return idOf(table).size() != 1 || name(table, USERS) + referencesTo(table) == 0
        ? 0
        : 3 * name(table, USERS) + referencesTo(table) + like(table, TEXTS, "email");
  }

  /** Zero where the table lacks the user, the experiment or a time. */
  private double likeFact(FoundTable table, List<String> words, boolean named) {
    boolean isFact =
        entities.user(table).isPresent()
            && entities.experiment(table).isPresent()
            && time(table).isPresent();
    double name = name(table, words);
    return !isFact || (named && name == 0)
        ? 0
        : 1 + 3 * name + like(table, TEXTS, "event type", "event name", "type");
  }

  private long referencesTo(FoundTable table) {
    return candidates.stream()
        .flatMap(other -> other.references().stream())
        .filter(reference -> table.is(reference.schema(), reference.table()))
        .count();
  }
}
