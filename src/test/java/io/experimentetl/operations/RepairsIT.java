package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

class RepairsIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private ClickHouseEndpoint old;
  private ClickHouseEndpoint fresh;

  @BeforeEach
  void createTables() {
    old = PLATFORM.newClickHouseDatabase("repairs_old");
    fresh = PLATFORM.newClickHouseDatabase("repairs_fresh");
    for (ClickHouseEndpoint each : new ClickHouseEndpoint[] {old, fresh}) {
      new SqlFiles(Path.of("sql")).applyTo(each.login(), false);
    }
  }

  @Test
  void differingColumnOfTheSourceIsListedAsStale(@TempDir Path folder) throws IOException {
    event(old, 1, "'phone'", "'a'");
    event(fresh, 1, "'tablet'", "'a'");
    event(old, 2, "NULL", "'a'");
    event(fresh, 2, "'phone'", "'a'");
    event(old, 3, "'phone'", "'job''s own column'");
    event(fresh, 3, "'phone'", "'b'");
    event(old, 4, "'phone'", "'a'");
    event(fresh, 5, "'phone'", "'a'");

    Path list =
        Repairs.between(old.login(), fresh.login(), Repairs.Wording.REPAIRED)
            .write(folder.resolve("repairs.tsv"));

    assertThat(Files.readAllLines(list))
        .extracting(line -> line.replaceFirst("\\(.*(.)'\\)$", "$1"))
        .containsExactly(
            "table\twhat was wrong\tkey",
            "events_processed\tgone at the source\t4",
            "events_processed\tmissing\t5",
            "events_processed\tstale\t1",
            "events_processed\tstale\t2");
  }

  /** An exchange would leave tables of one server only. */
  @Test
  void resyncRefusesReplicatedTables() {
    SiblingDatabase.requireOneServer(old.login(), "resync", "use resync --table");
    old.query("DROP TABLE variants SYNC");
    old.query(
        "ATTACH TABLE variants UUID '%s' (id Int64, _batch_id String) ENGINE = ReplicatedMergeTree('/tables/{uuid}', 'r1') ORDER BY id"
            .formatted(UUID.randomUUID()));

    assertThatThrownBy(
            () -> SiblingDatabase.requireOneServer(old.login(), "resync", "use resync --table"))
        .isInstanceOf(OperationsException.class)
        .hasMessageContaining(
            "has 1 replicated tables, and resync exchanges the tables of one server only");
  }

  private static void event(
      ClickHouseEndpoint database, int id, String deviceId, String experimentKey) {
    database.query(
        "INSERT INTO events_processed (event_id, timestamp, experiment_id, user_id, device_id, experiment_key, _version)"
            + " VALUES ('00000000-0000-4000-8000-00000000000%d', '2026-03-01 09:00:00', 1, 'it''s', %s, %s, 1)"
                .formatted(id, deviceId, experimentKey));
  }
}
