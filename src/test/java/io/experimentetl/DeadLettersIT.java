package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.SourceTable;
import io.experimentetl.operations.DeadLetters;
import io.experimentetl.operations.DeadLetters.Letter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.test.junit5.InjectMiniCluster;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Rows that cannot be delivered, from their finding until they are delivered. */
class DeadLettersIT {
  private static final String ID = "00000000-0000-0000-0000-000000000001";

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension static final MiniClusterExtension FLINK = JobOnServers.cluster();

  @TempDir private Path folder;
  private JobOnServers job;

  @BeforeEach
  void start(@InjectMiniCluster MiniCluster flink) throws Exception {
    job = new JobOnServers(PLATFORM, flink, folder, DeliveryConfig.defaults(), JobOnServers.GRACE);
    job.execute(
        """
        INSERT INTO experiments (id, key, name, status, seed) VALUES (1, 'checkout', 'Checkout', 'ACTIVE', 's');
        INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control) VALUES (11, 1, 'c', 'C', 100, true);
        ALTER TABLE users ALTER COLUMN is_active DROP NOT NULL;
        ALTER TABLE assignments ALTER COLUMN source DROP NOT NULL;
        INSERT INTO users (user_id, is_active) VALUES ('u1', true), ('u2', true), ('u3', true), ('tab\tbed', NULL);
        INSERT INTO assignments (id, experiment_id, user_id, variant_id) VALUES (-5, 1, 'u1', 11), (7, 1, 'u2', 11);
        ALTER TABLE events ALTER COLUMN event_type DROP NOT NULL;
        """);
    job.makeSlotAnew();
    job.start(2);
    job.passSnapshot();
  }

  @AfterEach
  void close() throws Exception {
    job.close();
  }

  private static String event(String time, String type) {
    return "INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type) VALUES ('%s', '%s', 1, 'u1', 11, %s)"
        .formatted(ID, time, type);
  }

  private List<Letter> listed(int count) {
    await()
        .atMost(Duration.ofSeconds(60))
        .until(
            () -> {
              job.checkpoint();
              return DeadLetters.list(job.clickHouse.login()).size() == count;
            });
    // When it completes, all sinks have committed the checkpoint before.
    job.checkpoint();
    return DeadLetters.list(job.clickHouse.login());
  }

  private List<String> resolved() {
    return job.clickHouse
        .query(
            "SELECT subject FROM data_inconsistencies FINAL WHERE status = 'RESOLVED' AND code LIKE 'S-%' ORDER BY subject FORMAT TSVRaw")
        .lines()
        .toList();
  }

  private void assertAuditIsEqual() throws Exception {
    assertThat(job.audit().differences()).isEmpty();
  }

  @Test
  void undeliverableRowsAreListedAndResolvedWhenCorrected() throws Exception {
    job.execute(
        event("infinity", "'exposure'"),
        "INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type) VALUES ('"
            + ID
            + "', '2400-01-01', 1, 'u2', 11, 'exposure')",
        "INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id) VALUES ('"
            + ID
            + "', now(), 1, 'u2', 11)",
        "INSERT INTO assignments (id, experiment_id, user_id, variant_id, source) VALUES (8, 1, 'u3', 11, NULL)");
    List<Letter> letters = listed(5);
    assertThat(letters)
        .extracting(Letter::table)
        .containsExactly(
            SourceTable.USERS,
            SourceTable.EVENTS,
            SourceTable.EVENTS,
            SourceTable.EVENTS,
            SourceTable.ASSIGNMENTS);
    assertThat(letters.get(0).key()).isEqualTo("tab\tbed");
    assertThat(letters.get(0).lsn()).isZero();
    assertThat(letters.get(1).key()).isEqualTo(ID + "@" + Long.MAX_VALUE);
    assertThat(letters.get(1).reason())
        .isEqualTo("column timestamp: the time is outside of 1900 to 2299");
    assertThat(letters.get(1).lsn()).isPositive();
    assertThat(letters.get(3).code()).isEqualTo("S-NULL-REQUIRED");
    assertAuditIsEqual();

    job.execute(
        "UPDATE events SET timestamp = now() WHERE timestamp = 'infinity'",
        "UPDATE events SET timestamp = now() - interval '1 day' WHERE timestamp = '2400-01-01'",
        "UPDATE events SET event_type = 'exposure' WHERE event_type IS NULL",
        "UPDATE users SET is_active = true WHERE user_id LIKE 'tab%'",
        "UPDATE assignments SET source = 'hash' WHERE id = 8");

    listed(0);
    assertThat(resolved()).hasSize(5).contains("user:tab\tbed", "assignment:8");
    assertThat(job.clickHouse.count("SELECT count() FROM events_processed FINAL")).isEqualTo(3);
    assertAuditIsEqual();
  }

  /** The rows are corrected while updates are not published, so the job does not see it. */
  @Test
  void replayDeliversRowsWhoseCauseWasFixedElsewhere() throws Exception {
    job.execute(
        "ALTER TABLE experiments ALTER COLUMN name DROP NOT NULL",
        "INSERT INTO experiments (id, key, status, seed) VALUES (2, 'second', 'ACTIVE', 's')",
        event("2400-01-01", "'exposure'"));
    assertThat(listed(3)).extracting(Letter::key).contains("2");
    job.execute(
        "ALTER PUBLICATION experiment_etl SET (publish = 'insert')",
        "UPDATE experiments SET name = 'Second' WHERE id = 2",
        "UPDATE users SET is_active = true WHERE user_id LIKE 'tab%'",
        "DELETE FROM events",
        "ALTER PUBLICATION experiment_etl SET (publish = 'insert, update, delete, truncate')");
    List<Letter> stillListed = listed(3);

    List<Letter> gone =
        DeadLetters.replay(job.postgres.login(), SourceMapping.defaults("public"), stillListed);

    assertThat(gone).extracting(Letter::table).containsExactly(SourceTable.EVENTS);
    assertThat(listed(1)).extracting(Letter::table).containsExactly(SourceTable.EVENTS);
    assertThat(resolved()).containsExactly("experiment:2", "user:tab\tbed");
    assertThat(job.clickHouse.query("SELECT name FROM experiments FINAL WHERE id = 2"))
        .isEqualTo("Second");
    assertAuditIsEqual();
  }

  @Test
  void deletingAnUnreadableRowRemovesItsEarlierDelivery() throws Exception {
    job.execute(event("now", "'exposure'"), "UPDATE users SET name = 'N' WHERE user_id = 'u2'");
    job.checkpoint();
    job.execute(
        "UPDATE events SET event_type = NULL",
        "UPDATE users SET is_active = NULL WHERE user_id = 'u2'",
        "UPDATE assignments SET source = NULL WHERE id = 7");
    listed(4);
    job.loseTaskManager();
    job.execute("DELETE FROM events", "DELETE FROM users WHERE user_id = 'u2'");

    assertThat(listed(1)).extracting(Letter::key).containsExactly("tab\tbed");
    assertThat(resolved()).hasSize(3);
    assertThat(job.clickHouse.count("SELECT count() FROM events_processed FINAL")).isZero();
    assertThat(job.clickHouse.count("SELECT count() FROM users FINAL WHERE user_id = 'u2'"))
        .isZero();
    assertThat(
            job.clickHouse.count(
                "SELECT count() FROM assignments_processed FINAL WHERE user_id = 'u2'"))
        .isZero();
    assertAuditIsEqual();
  }
}
