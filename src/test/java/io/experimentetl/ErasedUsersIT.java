package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.operations.SqlFiles;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The daily clean-up removes an erased user's rows and tombstones from a real ClickHouse. */
class ErasedUsersIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final SqlFiles SQL = new SqlFiles(Path.of("sql"));

  private ClickHouseEndpoint warehouse;

  @BeforeEach
  void createThreeUsersOfWhomTwoAreErased() {
    warehouse = PLATFORM.newClickHouseDatabase("erased");
    SQL.applyTo(warehouse.login(), false);
    for (String user : new String[] {"kept", "erased", "erased-today"}) {
      row(user, 1, "2026-03-01 10:00:00", false, "");
    }
    row("erased", 5, "2026-03-02 10:00:00", true, "erasure");
    row("erased-today", 6, "2026-03-03 10:00:00", true, "erasure");
    markerAt("2026-03-03 18:00:00");
  }

  private void row(String user, int version, String at, boolean deleted, String reason) {
    String last = "'%s', %d, %b, '%s')".formatted(at, version, deleted, reason);
    warehouse.query(
        "INSERT INTO users (user_id, _committed_at, _version, _deleted, _delete_reason) VALUES ('%s', %s"
            .formatted(user, last));
    warehouse.query(
        "INSERT INTO events_processed (event_id, timestamp, experiment_id, user_id, _committed_at, _version, _deleted, _delete_reason) VALUES (toUUIDOrZero('e'), '2026-03-01 09:00:00', 1, '%s', %s"
            .formatted(user, last));
    warehouse.query(
        "INSERT INTO assignments_processed (id, experiment_id, user_id, _committed_at, _version, _deleted, _delete_reason) VALUES (1, 1, '%s', %s"
            .formatted(user, last));
    warehouse.query(
        "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, user_id, _version) VALUES ('A-CROSSOVER', 'experiment-user', '1/%1$s', '%1$s', %2$d), ('S-UNPARSEABLE', 'user', '%1$s', '%1$s', %2$d)"
            .formatted(user, version));
  }

  private void markerAt(String written) {
    warehouse.query(
        "INSERT INTO etl_sink_progress (sequence_number, written_at) VALUES (7, '%s')"
            .formatted(written));
  }

  private String usersIn(String table) {
    return warehouse.query(
        "SELECT DISTINCT user_id FROM %s WHERE user_id IS NOT NULL ORDER BY user_id"
            .formatted(table));
  }

  @Test
  void cleanUpRemovesUsersErasedADayBeforeTheNewestProgressMarker() {
    SQL.forgetErasedUsers(warehouse.login());

    for (String table :
        new String[] {
          "events_processed", "assignments_processed", "data_inconsistencies", "users"
        }) {
      assertThat(usersIn(table)).as(table).isEqualTo("erased-today\nkept");
    }
    assertThat(
            warehouse.query(
                "SELECT subject FROM data_inconsistencies FINAL WHERE code = 'S-UNPARSEABLE' ORDER BY subject"))
        .isEqualTo("user:erased-today\nuser:kept");
  }

  /** The archive has not learnt of erasures that became visible meanwhile. */
  @Test
  void cleanUpBehindTheArchiveCountsFromBeforeIt() {
    markerAt("2026-03-05 18:00:00");

    SQL.forgetErasedUsers(warehouse.login(), "2026-03-03 18:00:00.000000");

    assertThat(usersIn("users")).isEqualTo("erased-today\nkept");
    SQL.forgetErasedUsers(warehouse.login());
    assertThat(usersIn("users")).isEqualTo("kept");
  }

  @Test
  void cleanUpKeepsTheLastDayOfAStoppedJob() {
    SQL.forgetErasedUsers(warehouse.login());
    SQL.forgetErasedUsers(warehouse.login());

    assertThat(usersIn("users")).contains("erased-today");

    markerAt("2026-03-04 10:00:01");
    SQL.forgetErasedUsers(warehouse.login());

    assertThat(usersIn("users")).isEqualTo("kept");
  }

  @Test
  void returningUserKeepsTheNewRows() {
    row("erased", 9, "2026-03-02 12:00:00", false, "");

    SQL.forgetErasedUsers(warehouse.login());

    assertThat(usersIn("users")).contains("erased\n");
    assertThat(
            warehouse.query("SELECT count() FROM events_processed FINAL WHERE user_id = 'erased'"))
        .isEqualTo("1");
  }
}
