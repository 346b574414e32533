package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.experimentetl.local.PlatformExtension;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.SourceTable;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The source passes on the ends of transactions. */
class TransactionEndsIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension
  static final MiniClusterExtension CLUSTER =
      new MiniClusterExtension(
          new MiniClusterResourceConfiguration.Builder()
              .setNumberTaskManagers(1)
              .setNumberSlotsPerTaskManager(4)
              .build());

  /** No heartbeat and no later row shows the commits, also not after a restart between. */
  @Test
  void transactionThatChangesRowsEndsWithItsCommit() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "commits");
    database.fill(5);
    JobClient job =
        Connector.OURS.start(
            database.settings(Duration.ofHours(1), 100_000), "commits", Duration.ofMillis(100));
    Ledger.View view = Ledger.view("commits");
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> view.lastMarker != null && view.lastMarker.snapshotDone());
    int before = ofRows(view).size();
    database.execute("BEGIN; DELETE FROM users WHERE user_id <= 'u3'; COMMIT");
    database.execute("BEGIN; INSERT INTO users (user_id) VALUES ('u6'); COMMIT");
    database.execute("UPDATE variants SET name = 'C' WHERE id = 1");
    await().atMost(Duration.ofSeconds(10)).until(() -> ofRows(view).size() >= before + 7);

    List<Change> all = ofRows(view).subList(before, ofRows(view).size());
    assertThat(all)
        .extracting(Change::kind)
        .containsExactly(
            ChangeKind.DELETE,
            ChangeKind.DELETE,
            ChangeKind.DELETE,
            ChangeKind.COMMIT,
            ChangeKind.INSERT,
            ChangeKind.UPDATE,
            ChangeKind.COMMIT);
    Change commit = all.get(3);
    assertThat(commit.table()).isNull();
    assertThat(commit.sequenceNumber()).isGreaterThanOrEqualTo(all.get(2).sequenceNumber());
    assertThat(commit.position().txId()).isEqualTo(all.get(2).position().txId());
    assertThat(commit.position().committedAt()).isEqualTo(all.get(2).position().committedAt());
    assertThat(commit.position().lsn()).isEqualTo(all.get(4).position().previousCommitLsn());

    int starts = view.starts.get();
    view.failNow.set(true);
    database.execute("DELETE FROM users WHERE user_id >= 'u4'");
    await().atMost(Duration.ofSeconds(20)).until(() -> ofRows(view).size() >= before + 11);
    assertThat(view.starts.get()).isGreaterThan(starts);
    assertThat(ofRows(view).subList(before + 7, ofRows(view).size()))
        .extracting(Change::kind)
        .containsExactly(
            ChangeKind.DELETE, ChangeKind.DELETE, ChangeKind.DELETE, ChangeKind.COMMIT);
    job.cancel().get();
  }

  /** Without the heartbeats' transactions. */
  private static List<Change> ofRows(Ledger.View view) {
    List<Change> all = view.all;
    Set<Long> heartbeats = new HashSet<>();
    for (Change change : all) {
      if (change.table() == SourceTable.ETL_HEARTBEAT) {
        heartbeats.add(change.position().txId());
      }
    }
    return all.stream()
        .filter(change -> change.table() != SourceTable.ETL_HEARTBEAT)
        .filter(change -> !heartbeats.contains(change.position().txId()))
        .toList();
  }
}
