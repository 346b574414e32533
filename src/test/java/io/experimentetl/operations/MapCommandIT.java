package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.PostgresEndpoint;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

class MapCommandIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final String SCHEMA =
      """
      CREATE SCHEMA lab;
      CREATE TYPE lab.test_state AS ENUM ('PLANNED', 'RUNNING', 'DONE');
      CREATE TABLE lab.tests (test_id int PRIMARY KEY, slug text NOT NULL UNIQUE, title text NOT NULL, state lab.test_state NOT NULL,
        start_time timestamptz, end_time timestamptz, setup jsonb);
      CREATE TABLE lab.arms (arm_id int PRIMARY KEY, test_id int NOT NULL REFERENCES lab.tests, label text NOT NULL, weight numeric NOT NULL);
      CREATE TABLE lab.people (uid uuid PRIMARY KEY, mail text, country text, plan text, registered_at timestamp);
      CREATE TABLE lab.enrollments (test_id int REFERENCES lab.tests, person_id uuid REFERENCES lab.people,
        arm_id int NOT NULL REFERENCES lab.arms, enrolled_at timestamptz NOT NULL, PRIMARY KEY (test_id, person_id));
      CREATE TABLE lab.flag_views (view_id bigint PRIMARY KEY, test_id int NOT NULL, person_id uuid NOT NULL, arm_id int, seen_ms bigint NOT NULL);
      CREATE TABLE lab.purchases (order_no bigint PRIMARY KEY, person_id uuid NOT NULL, test_id int NOT NULL, amount numeric,
        happened_at timestamptz NOT NULL);
      CREATE TABLE lab.heap (order_no bigint, person_id uuid, test_id int, happened_at timestamptz);
      CREATE TABLE lab.unrelated (id int PRIMARY KEY, note text);
      """;

  private static PostgresEndpoint database;

  @TempDir private Path folder;

  @BeforeAll
  static void create() throws SQLException {
    database = PLATFORM.newPostgresDatabase("map");
    execute(SCHEMA);
  }

  @Test
  void suggestionForAnUnknownSchemaPassesThePreflight() throws Exception {
    Run suggested = map("", "--suggest");
    assertThat(suggested.exitCode()).as(suggested.out()).isZero();
    assertThat(suggested.out())
        .contains("table: lab.tests", "table: lab.arms", "table: lab.people")
        .contains("table: lab.enrollments", "table: lab.flag_views", "table: lab.purchases")
        .contains("values: {status: {PLANNED: DRAFT, RUNNING: ACTIVE, DONE: COMPLETED}}")
        .contains("id: [test_id, person_id]", "timestamp: {column: seen_ms, unit: ms}")
        .contains("properties: [country, plan]")
        .doesNotContain("unrelated");
    String tables = suggested.out().substring(suggested.out().indexOf("  tables:"));

    Run before = map(tables);
    assertThat(before.exitCode()).as(before.out()).isZero();
    assertThat(before.out())
        .contains("The mapping is right.", "The source still lacks:")
        .contains("experiments from lab.tests", "events from lab.purchases")
        .containsPattern("status +state \\(lab.test_state\\); DONE is COMPLETED, PLANNED is DRAFT")
        .contains("No config in lab.tests: no experiment has a zone of its own")
        .contains(
            "ARRAY ['lab.tests', 'lab.arms', 'lab.people', 'lab.enrollments', 'lab.flag_views', 'lab.purchases', 'etl_heartbeat']");

    Run sql = map(tables, "--sql");
    List<String> statements = new ArrayList<>();
    for (SqlScript.Statement statement : SqlScript.statements(sql.out())) {
      // The slot belongs to the session's setting.
      if (!statement.text().contains("pg_create_logical_replication_slot")
          && !statement.text().startsWith("SET experiment_etl.slot")) {
        statements.add(statement.text());
      }
    }
    execute(String.join(";\n", statements));
    execute("SELECT pg_create_logical_replication_slot('" + database.database() + "', 'pgoutput')");

    Run after = map(tables);
    assertThat(after.exitCode()).as(after.out()).isZero();
    assertThat(after.out()).contains("The mapping is right.").doesNotContain("still lacks");
  }

  @Test
  void tablesOfMetricEventsArePrintedWithWhatTheyDeclare() throws Exception {
    Run map =
        map(
            """
              tables:
                experiments: {table: lab.tests, columns: {id: test_id, key: slug, status: state}}
                variants: {table: lab.arms, columns: {id: arm_id, experiment_id: test_id, key: label, allocation_pct: weight}}
                users: {table: lab.people, columns: {user_id: uid}}
                assignments: {table: lab.enrollments, columns: {id: [test_id, person_id], user_id: person_id, experiment_id: test_id, variant_id: arm_id, assigned_at: enrolled_at}}
                events: none
                facts:
                  - {name: orders, table: lab.purchases, columns: {id: order_no, user_id: person_id, experiment_id: test_id, timestamp: happened_at}, event_type: {constant: purchase}, properties: [amount], mutable: true, retention: none}
                  - {name: views, table: lab.flag_views, columns: {id: view_id, user_id: person_id, experiment_id: test_id, timestamp: {column: seen_ms, unit: ms}}, event_type: {constant: view}, retention: 30d}
            """);
    assertThat(map.exitCode()).as(map.out()).isZero();
    assertThat(map.out())
        .contains(
            "facts.orders from lab.purchases", "id               order_no beside the name orders")
        .contains("its rows         may change; the source keeps them for ever")
        .contains("facts.views from lab.flag_views")
        .contains("its rows         do not change; the source keeps them for 30 days")
        .contains("'lab.purchases', 'lab.flag_views', 'etl_heartbeat'")
        .doesNotContain("No variant_id", "No properties in lab.flag_views");
  }

  @Test
  void platformWithoutUsersIsToldWhatItMisses() throws Exception {
    Run map =
        map(
            """
              tables:
                experiments: {table: lab.tests, columns: {id: test_id, key: slug, status: state}}
                variants: {table: lab.arms, columns: {id: arm_id, experiment_id: test_id, key: label, allocation_pct: weight}}
                users: none
                erased: {table: lab.unrelated, columns: {user_id: note}, where: {id: 1}}
                assignments: {table: lab.enrollments, columns: {id: [test_id, person_id], user_id: person_id, experiment_id: test_id, variant_id: arm_id, assigned_at: enrolled_at}}
                events: {table: lab.purchases, columns: {id: order_no, user_id: person_id, experiment_id: test_id, timestamp: happened_at, event_type: {constant: purchase}}}
            """);
    assertThat(map.exitCode()).as(map.out()).isZero();
    assertThat(map.out())
        .contains("No users: users are whoever is assigned or exposed.")
        .contains(
            "ARRAY ['lab.tests', 'lab.arms', 'lab.unrelated', 'lab.enrollments', 'lab.purchases', 'etl_heartbeat']")
        .contains(
            "erased from lab.unrelated",
            "its rows         each erases its user, as long as it stands")
        .doesNotContain("users from", "Nothing erases a user");
  }

  @Test
  void rowsThatEraseTheirUserArePrintedAndChecked() throws Exception {
    String tables =
        """
          tables:
            experiments: {table: lab.tests, columns: {id: test_id, key: slug, status: state}}
            variants: {table: lab.arms, columns: {id: arm_id, experiment_id: test_id, key: label, allocation_pct: weight}}
            users: {table: lab.people, columns: {user_id: uid}, erased_when: {plan: gone}}
            assignments: {table: lab.enrollments, columns: {id: [test_id, person_id], user_id: person_id, experiment_id: test_id, variant_id: arm_id, assigned_at: enrolled_at}}
            events: none
        """;
    assertThat(map(tables).out()).contains("erased where     plan is gone");
    Run wrong = map(tables.replace("plan: gone", "paln: gone"));
    assertThat(wrong.exitCode()).isEqualTo(1);
    assertThat(wrong.out())
        .contains(
            "has no column paln, which source.tables.users.erased_when names",
            "Did you mean plan?");
  }

  @Test
  void variantsInAColumnArePrintedAndChecked() throws Exception {
    String tables =
        """
          tables:
            experiments: {table: lab.tests, columns: {id: test_id, key: slug, status: state}}
            variants: {column: setup, path: arms, columns: {key: arm, allocation_pct: weight}, control: {arm: a}, where: {live: true}}
            users: none
            assignments: {table: lab.enrollments, columns: {id: [test_id, person_id], user_id: person_id, experiment_id: test_id, variant_id: arm_id, assigned_at: enrolled_at}}
            events: none
        """;
    assertThat(map(tables).out())
        .contains(
            "variants from lab.tests",
            "its rows         elements of the list in setup at arms where live is true")
        .contains("allocation_pct   weight", "is_control       whether arm is a");
    assertThat(map(tables.replace("column: setup", "column: setupp")).out())
        .contains("lab.tests in", "has no column setupp, which source.tables.variants.column names")
        .contains("Did you mean setup?");
    assertThat(map(tables.replace("column: setup", "column: title")).out())
        .contains("json or jsonb is needed");
  }

  @Test
  void wrongMappingWithTenMistakesListsAllTen() throws Exception {
    Run map =
        map(
            """
              tables:
                experiments: {table: lab.testz}
                variants: {table: lab.arms, columns: {id: arm_id, experiment_id: test_id, key: label, allocation_pct: wieght, colour: label}}
                users: {table: lab.people, columns: {user_id: {column: uid, constant: x}}, where: {gone_at: null}}
                assignments: {table: lab.enrollments, columns: {id: [test_id, person_id], user_id: person_id, experiment_id: test_id, variant_id: arm_id.x, assigned_at: {column: enrolled_at, unit: ms}}}
                exposures: {table: lab.flag_views, columns: {id: view_id, user_id: person_id, experiment_id: test_id, timestamp: seen_ms}}
                events: {table: lab.heap, columns: {id: order_no, user_id: person_id, experiment_id: test_id, timestamp: happened_at}}
            """);
    assertThat(map.exitCode()).isEqualTo(1);
    String errors = map.out().substring(map.out().indexOf("The mapping has"));
    assertThat(errors).startsWith("The mapping has 10 errors:");
    assertThat(errors.lines().skip(1).map(line -> line.replace(place(), "DB")))
        .satisfiesExactlyInAnyOrder(
            error ->
                assertThat(error).contains("lab.testz is missing in DB", "Did you mean lab.tests?"),
            error ->
                assertThat(error)
                    .contains(
                        "source.tables.variants.columns.colour: is not a column of variants."),
            error ->
                assertThat(error)
                    .contains("lab.arms in DB has no column wieght", "Did you mean weight?"),
            error ->
                assertThat(error)
                    .contains("source.tables.users.columns.user_id: has column and constant"),
            error ->
                assertThat(error)
                    .contains(
                        "lab.people in DB has no column gone_at, which source.tables.users.where names"),
            error ->
                assertThat(error)
                    .contains(
                        "variant_id reads arm_id of lab.enrollments in DB", "json or jsonb only"),
            error ->
                assertThat(error)
                    .contains(
                        "assigned_at reads enrolled_at of lab.enrollments in DB", "remove unit"),
            error ->
                assertThat(error)
                    .contains(
                        "timestamp reads seen_ms of lab.flag_views in DB",
                        "{column: seen_ms, unit: s}"),
            error -> assertThat(error).contains("lab.heap in DB has no key"),
            error ->
                assertThat(error).contains("lab.heap in DB has no column event_type: name one of"));
  }

  private static String place() {
    return database.host() + ":" + database.port() + "/" + database.database();
  }

  private record Run(int exitCode, String out) {}

  /** The verb, with this below {@code source}. */
  private Run map(String tables, String... options) throws Exception {
    Path password = Files.writeString(folder.resolve("password"), database.password());
    Path config =
        Files.writeString(
            folder.resolve("etl.yaml"),
            """
            source:
              host: %s
              port: %d
              database: %s
              username: %s
              password-file: %s
              slot: %s
            %s"""
                .formatted(
                    database.host(),
                    database.port(),
                    database.database(),
                    database.user(),
                    password,
                    database.database(),
                    tables));
    StringWriter out = new StringWriter();
    List<String> arguments = new ArrayList<>(List.of("--config", config.toString()));
    arguments.addAll(List.of(options));
    int exitCode =
        new CommandLine(new MapCommand(new NamedServers()))
            .setOut(new PrintWriter(out))
            .setErr(new PrintWriter(out))
            .execute(arguments.toArray(String[]::new));
    return new Run(exitCode, out.toString());
  }

  private static void execute(String sql) throws SQLException {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      statement.setEscapeProcessing(false);
      statement.execute(sql);
    }
  }
}
