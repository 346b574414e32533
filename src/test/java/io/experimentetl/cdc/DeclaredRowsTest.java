package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.mapping.DeclaredExperiments;
import io.experimentetl.mapping.EntityNumber;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.VariantRow;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.junit.jupiter.api.Test;

class DeclaredRowsTest {
  private static final DeclaredExperiments FIRST = declared("checkout", 1, 1);

  /** An experiment with one variant for each weight: a, b, … */
  static DeclaredExperiments declared(String key, double... weights) {
    long id = EntityNumber.of(SourceTable.EXPERIMENTS, key);
    List<VariantRow> variants = new ArrayList<>();
    for (double weight : weights) {
      String own = Character.toString((char) ('a' + variants.size()));
      variants.add(
          new VariantRow(
              EntityNumber.of(SourceTable.VARIANTS, id + ":" + own),
              id,
              own,
              own,
              null,
              weight,
              false,
              null,
              0,
              0));
    }
    return new DeclaredExperiments(
        List.of(new ExperimentRow(id, key, key, null, "ACTIVE", null, 1, null, null, null, 0, 0)),
        variants);
  }

  private static DeclaredExperiments both(DeclaredExperiments a, DeclaredExperiments b) {
    return new DeclaredExperiments(
        Stream.concat(a.experiments().stream(), b.experiments().stream()).toList(),
        Stream.concat(a.variants().stream(), b.variants().stream()).toList());
  }

  private static List<DeclaredRows.State> stateBehind(DeclaredExperiments declared) {
    DeclaredRows rows = DeclaredRows.of(declared, List.of(), false);
    rows.changes(0, 1);
    return rows.state();
  }

  private static List<String> changes(DeclaredExperiments before, DeclaredExperiments now) {
    return DeclaredRows.of(now, stateBehind(before), true).changes(800, 5).stream()
        .map(DeclaredRowsTest::shown)
        .toList();
  }

  private static String shown(Change change) {
    return change.kind()
        + " "
        + (change.row() instanceof VariantRow variant
            ? variant.key()
            : ((ExperimentRow) change.row()).key());
  }

  @Test
  void firstStartReadsAllAsTheSnapshotDoes() {
    DeclaredRows rows = DeclaredRows.of(FIRST, List.of(), false);
    assertThat(rows.state()).isEmpty();
    assertThat(rows.isPending()).isTrue();
    List<Change> changes = rows.changes(800, 5);
    assertThat(changes.stream().map(DeclaredRowsTest::shown))
        .containsExactly("READ checkout", "READ a", "READ b");
    assertThat(changes).allMatch(change -> change.position().lsn() == 0);
    assertThat(rows.isPending()).isFalse();
  }

  @Test
  void laterStartChangesWhatDiffersBehindAllThatWasPassedOn() {
    assertThat(changes(FIRST, FIRST)).isEmpty();
    assertThat(changes(FIRST, declared("checkout", 1, 3))).containsExactly("UPDATE b");
    assertThat(changes(FIRST, declared("checkout", 2))).containsExactly("DELETE b", "UPDATE a");
    assertThat(changes(FIRST, both(FIRST, declared("banner", 1))))
        .containsExactly("INSERT banner", "INSERT a");
    assertThat(changes(both(FIRST, declared("banner", 1)), FIRST))
        .containsExactly("DELETE banner", "DELETE a");
    Change update =
        DeclaredRows.of(declared("checkout", 1, 3), stateBehind(FIRST), true)
            .changes(800, 5)
            .get(0);
    assertThat(update.position().lsn()).isEqualTo(800);
    assertThat(update.position().txId()).isZero();
    assertThat(update.position().committedAt()).isEqualTo(5);
    assertThat(update.before()).isEqualTo(FIRST.variants().get(1));
  }

  @Test
  void restartBeforeTheFirstCheckpointReadsAllAgain() {
    assertThat(DeclaredRows.of(FIRST, List.of(), false).changes(0, 9)).hasSize(3);
  }

  @Test
  void experimentsDoNotMoveBetweenTablesAndTheConfiguration() {
    assertThatThrownBy(() -> DeclaredRows.of(FIRST, List.of(), true))
        .isInstanceOf(SuppressRestartsException.class)
        .rootCause()
        .hasMessageContaining("The job's state has the experiments of a table")
        .hasMessageContaining("resync");
    assertThatThrownBy(() -> DeclaredRows.of(null, stateBehind(FIRST), true))
        .rootCause()
        .hasMessageContaining("has the experiments of the configuration");
    assertThat(DeclaredRows.of(null, List.of(), true).isPending()).isFalse();
  }

  @Test
  void changesLeadFromAnyConfigurationToAnyOther() {
    Random random = new Random(16);
    DeclaredExperiments before = random(random);
    Map<String, SourceRow> rows = new HashMap<>();
    apply(DeclaredRows.of(before, List.of(), false).changes(0, 1), rows);
    for (int i = 0; i < 200; i++) {
      DeclaredExperiments now = random(random);
      apply(DeclaredRows.of(now, stateBehind(before), true).changes(i, i), rows);
      Map<String, SourceRow> anew = new HashMap<>();
      apply(DeclaredRows.of(now, List.of(), false).changes(0, 1), anew);
      assertThat(rows).isEqualTo(anew);
      before = now;
    }
  }

  private static DeclaredExperiments random(Random random) {
    DeclaredExperiments all = new DeclaredExperiments(List.of(), List.of());
    for (String key : List.of("x", "y", "z")) {
      if (random.nextBoolean()) {
        double[] weights = random.doubles(1 + random.nextInt(3)).toArray();
        for (int i = 0; i < weights.length; i++) {
          weights[i] = Math.floor(weights[i] * 3);
        }
        all = both(all, declared(key, weights));
      }
    }
    return all;
  }

  private static void apply(List<Change> changes, Map<String, SourceRow> rows) {
    for (Change change : changes) {
      String key =
          change.table()
              + (change.row() instanceof VariantRow variant
                  ? " " + variant.id()
                  : " " + ((ExperimentRow) change.row()).id());
      SourceRow old =
          change.kind() == ChangeKind.DELETE ? rows.remove(key) : rows.put(key, change.after());
      assertThat(old).isEqualTo(change.before());
    }
  }
}
