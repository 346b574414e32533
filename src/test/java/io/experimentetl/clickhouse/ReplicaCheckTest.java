package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.clickhouse.ReplicaCheck.Profile;
import io.experimentetl.clickhouse.ReplicaCheck.Replica;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ReplicaCheckTest {
  private static final Replica HEALTHY = new Replica(false, 3, 3, 0);
  private static final Profile NO_QUORUM = new Profile("0", true, false);

  @Test
  void healthyReplicaHasNoProblem() {
    assertThat(problems(HEALTHY, NO_QUORUM)).isEmpty();
    assertThat(problems(new Replica(false, 3, 1, 10), new Profile("1", true, false))).isEmpty();
  }

  @Test
  void readOnlyReplicaIsReportedAlone() {
    assertThat(problems(new Replica(true, 0, 0, 0), new Profile("auto", true, false)))
        .singleElement()
        .asString()
        .startsWith("Table users is a read-only replica");
  }

  @Test
  void replicaThatIsBehindIsReported() {
    assertThat(problems(new Replica(false, 2, 2, 11), NO_QUORUM))
        .singleElement()
        .asString()
        .contains("is 11 s behind the others", "SYSTEM SYNC REPLICA users");
  }

  @ParameterizedTest
  @ValueSource(strings = {"auto", "2", "3"})
  void quorumNeedsOrderedInsertsAndSequentialReads(String quorum) {
    assertThat(problems(HEALTHY, new Profile(quorum, false, true))).isEmpty();
    for (Profile profile :
        List.of(
            new Profile(quorum, true, true),
            new Profile(quorum, false, false),
            new Profile(quorum, true, false))) {
      assertThat(problems(HEALTHY, profile))
          .singleElement()
          .asString()
          .contains(
              "insert_quorum = " + quorum,
              "insert_quorum_parallel = 0 and select_sequential_consistency = 1");
    }
  }

  @Test
  void quorumThatTheActiveReplicasCannotReachIsReported() {
    Profile majority = new Profile("auto", false, true);
    assertThat(problems(new Replica(false, 3, 2, 0), majority)).isEmpty();
    assertThat(problems(new Replica(false, 3, 1, 0), majority))
        .singleElement()
        .asString()
        .contains("1 of its 3 replicas are active");
    assertThat(problems(new Replica(false, 3, 2, 0), new Profile("3", false, true))).hasSize(1);
  }

  @Test
  void windowMustOutliveASealedBatchThatIsNotProbed() {
    Duration withoutProbe = Duration.ofMinutes(30);
    assertThat(ReplicaCheck.windowProblems("users", 3600, withoutProbe)).isEmpty();
    assertThat(ReplicaCheck.windowProblems("users", 1800, withoutProbe)).isEmpty();
    assertThat(ReplicaCheck.windowProblems("users", 1799, withoutProbe))
        .singleElement()
        .asString()
        .contains("for 1799 s", "replicated_deduplication_window_seconds = 604800.");
  }

  @Test
  void settingIsFoundByItsWholeName() {
    String engine =
        "ReplicatedReplacingMergeTree('/t', 'r', _version) ORDER BY id SETTINGS non_replicated_deduplication_window = 7,"
            + " replicated_deduplication_window_seconds = 60, replicated_deduplication_window = 5";
    assertThat(ReplicaCheck.setting(engine, "replicated_deduplication_window")).isEqualTo(5);
    assertThat(ReplicaCheck.setting(engine, "replicated_deduplication_window_seconds"))
        .isEqualTo(60);
    assertThat(ReplicaCheck.setting(engine, "non_replicated_deduplication_window")).isEqualTo(7);
    assertThat(ReplicaCheck.setting(engine, "fsync_after_insert")).isNull();
  }

  private static List<String> problems(Replica replica, Profile profile) {
    return ReplicaCheck.problems("users", replica, profile);
  }
}
