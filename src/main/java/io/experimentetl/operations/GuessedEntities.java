package io.experimentetl.operations;

import static io.experimentetl.operations.TableLikeness.idOf;

import io.experimentetl.mapping.FoundTable;
import io.experimentetl.mapping.FoundTable.Column;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * The tables of the platform that others refer to, as far as they are guessed.
 *
 * @param experiments null: not guessed, as the others
 */
record GuessedEntities(FoundTable experiments, FoundTable variants, FoundTable users) {

  /** The column that refers to an experiment. */
  Optional<Column> experiment(FoundTable table) {
    return reference(
        table,
        experiments,
        TableLikeness.EXPERIMENTS,
        "experiment id",
        "experiment",
        "experiment key",
        "test id",
        "test",
        "flag key",
        "flag");
  }

  /** The column that refers to a variant. */
  Optional<Column> variant(FoundTable table) {
    return reference(
        table,
        variants,
        TableLikeness.VARIANTS,
        "variant id",
        "variant",
        "variant key",
        "variation id",
        "variation",
        "arm id",
        "arm",
        "bucket",
        "treatment",
        "group",
        "value");
  }

  /** The column that refers to a user. */
  Optional<Column> user(FoundTable table) {
    return reference(
        table,
        users,
        TableLikeness.USERS,
        "user id",
        "user",
        "uid",
        "person id",
        "customer id",
        "member id",
        "participant id",
        "visitor id",
        "account id",
        "subject id");
  }

  /** By a foreign key, else by name. */
  private Optional<Column> reference(
      FoundTable table, FoundTable target, List<String> entity, String... words) {
    if (table.equals(target)) {
      return Optional.empty();
    }
    Optional<Column> byForeignKey =
        table.references().stream()
            .filter(
                found ->
                    target == null
                        ? TableLikeness.isNamed(found.table(), entity)
                        : target.is(found.schema(), found.table()))
            .findFirst()
            .flatMap(found -> table.column(found.column()));
    List<String> all = new ArrayList<>(List.of(words));
    if (target != null) {
      String noun = String.join(" ", TableLikeness.singulars(target.name()));
      all.add(noun + " id");
      all.add(noun);
    }
    Set<String> none = Set.of();
    return byForeignKey.or(
        () ->
            table.columns().stream()
                .filter(column -> TableLikeness.IDS.contains(column.kind()))
                .filter(column -> NameLikeness.of(column.name(), none, all) >= TableLikeness.LIKELY)
                // The table's own id refers to nothing.
                .filter(column -> !idOf(table).equals(List.of(column)))
                .max(
                    Comparator.comparingDouble(
                        column -> NameLikeness.of(column.name(), none, all))));
  }
}
