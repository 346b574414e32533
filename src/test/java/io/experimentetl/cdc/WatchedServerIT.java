package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.cdc.TableComparison.DifferingRow;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.warehouse.WarehouseRange;
import java.sql.Connection;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Looks at a real PostgreSQL, and rows that are read again from it. */
class WatchedServerIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  /** Every row of the catalogue that says what is published, with the transaction that wrote it. */
  private static final String CATALOGUE =
      """
      SELECT string_agg(line, ', ' ORDER BY line)
      FROM
      (
        SELECT 'publication ' || oid || ' ' || xmin AS line FROM pg_publication
        UNION ALL SELECT 'member ' || oid || ' ' || xmin FROM pg_publication_rel
        UNION ALL SELECT 'table ' || oid || ' ' || xmin FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT 'role ' || oid || ' ' || xmin FROM pg_authid WHERE rolname = 'experiment_etl'
      ) lines""";

  private static SourceCatalogue look(SourceDatabase database) throws Exception {
    try (WatchedServer server = new WatchedServer(database.settings())) {
      return server.look().catalogue();
    }
  }

  private static String text(SourceDatabase database, String sql) throws Exception {
    try (Connection connection = database.connect();
        var statement = connection.createStatement();
        var row = statement.executeQuery(sql)) {
      row.next();
      return row.getString(1);
    }
  }

  @Test
  void etlSqlAppliedAgainAltersNothing() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "again");
    String before = text(database, CATALOGUE);
    SourceCatalogue first = look(database);
    database.apply("002_etl.sql");

    assertThat(text(database, CATALOGUE)).isEqualTo(before);
    assertThat(look(database)).isEqualTo(first);
    assertThat(CatalogueComparison.faults(first, "experiment_etl", Set.of())).isEmpty();
  }

  @Test
  void etlSqlAppliedAgainMendsOnlyWhatDiffers() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "mended");
    SourceCatalogue first = look(database);
    database.execute(
        "ALTER PUBLICATION experiment_etl DROP TABLE users; ALTER PUBLICATION experiment_etl DROP TABLE variants;"
            + " ALTER PUBLICATION experiment_etl ADD TABLE variants WHERE (allocation_pct > 0)");
    assertThat(CatalogueComparison.faults(look(database), "experiment_etl", Set.of()))
        .extracting(StreamFault::relation)
        .containsExactlyInAnyOrder("users", "variants");
    database.apply("002_etl.sql");

    SourceCatalogue mended = look(database);
    assertThat(CatalogueComparison.faults(mended, "experiment_etl", Set.of())).isEmpty();
    assertThat(CatalogueComparison.between(first, mended, List.of()))
        .extracting(Suspicion::relation)
        .containsExactlyInAnyOrder("users", "variants");
  }

  @Test
  void rowSecurityIsAFaultForTheRoleThatItAppliesTo() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "policies");
    database.execute(
        "ALTER ROLE experiment_etl PASSWORD 'x'; ALTER TABLE users ENABLE ROW LEVEL SECURITY;"
            + " CREATE POLICY seen ON users TO experiment_etl USING (is_active)");

    assertThat(look(database).of(SourceTable.USERS))
        .noneMatch(SourceCatalogue.Relation::rowSecurity);
    assertThat(
            CatalogueComparison.faults(
                look(database.as("experiment_etl", "x")), "experiment_etl", Set.of()))
        .singleElement()
        .satisfies(
            fault -> {
              assertThat(fault.relation()).isEqualTo("users");
              assertThat(fault.hidesRows()).isTrue();
            });
  }

  @Test
  void rowIsReadAgainWithTheValuesOfTheSnapshot() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "reread");
    database.fill(1);
    database.execute(
        "INSERT INTO events (id, timestamp, experiment_id, user_id, event_type, properties) VALUES"
            + " ('00000000-0000-0000-0000-00000000000a', '2026-03-01 12:00:00.000001+00', 1, 'u1', 'exposure', '{\"a\": [1, \"é\"]}');"
            + " UPDATE experiments SET ends_at = 'infinity', starts_at = '-infinity'");
    String event = "00000000-0000-0000-0000-00000000000a@1772366400000001";
    try (WatchedServer server = new WatchedServer(database.settings())) {
      List<Change> events =
          server
              .read(
                  SourceTable.EVENTS,
                  List.of(
                      new DifferingRow(event, List.of()),
                      new DifferingRow("00000000-0000-0000-0000-00000000000b@1", List.of())))
              .changes();
      assertThat(events)
          .singleElement()
          .satisfies(
              change -> {
                assertThat(change.kind()).isEqualTo(ChangeKind.REREAD);
                assertThat(change.after()).isInstanceOf(EventRow.class);
                assertThat(Subject.row(SourceTable.EVENTS, change.after()).key()).isEqualTo(event);
                assertThat(((EventRow) change.after()).properties())
                    .isEqualTo("{\"a\": [1, \"é\"]}");
                assertThat(((EventRow) change.after()).assignmentAt()).isNull();
              });
      List<Change> gone =
          server
              .read(
                  SourceTable.EVENTS,
                  List.of(
                      new DifferingRow(
                          "00000000-0000-0000-0000-00000000000b@1",
                          List.of(events.get(0).after()))))
              .changes();
      assertThat(gone)
          .singleElement()
          .satisfies(
              change -> {
                assertThat(change.kind()).isEqualTo(ChangeKind.DELETE);
                assertThat(change.position().txId()).as("no transaction's id").isNegative();
              });
      assertThat(
              server
                  .read(SourceTable.EXPERIMENTS, List.of(new DifferingRow("1", List.of())))
                  .changes())
          .singleElement()
          .extracting(Change::after)
          .isInstanceOfSatisfying(
              ExperimentRow.class, row -> assertThat(row.endsAt()).isEqualTo(WarehouseRange.LAST));
    }
  }

  @Test
  void userWhomARowErasesDoesNotExist() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "erasing");
    database.fill(3);
    database.execute(
        "UPDATE users SET is_active = false WHERE user_id = 'u2';"
            + " CREATE TABLE requests (nr int PRIMARY KEY, visitor text, state text);"
            + " INSERT INTO requests VALUES (1, 'u3', 'approved'), (2, 'u1', 'asked')");
    Set<String> all = Set.of("u1", "u2", "u3");

    assertThat(existing(database, "users: {erased_when: {is_active: false}}", all))
        .containsExactlyInAnyOrder("u1", "u3");
    assertThat(
            existing(
                database,
                "users: none\nerased: {table: requests, columns: {user_id: visitor}, where: {state: approved}}",
                all))
        .containsExactlyInAnyOrder("u1", "u2");
  }

  private static Set<String> existing(SourceDatabase database, String tables, Set<String> users)
      throws Exception {
    SourceMapping mapping =
        ConfigBuilder.read("source:\n  tables:\n" + tables.indent(4)).source().tables();
    return SourceServer.existingUsers(database.settings(mapping), users);
  }
}
