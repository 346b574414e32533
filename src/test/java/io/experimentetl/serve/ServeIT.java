package io.experimentetl.serve;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.RetentionConfig;
import io.experimentetl.config.ServeConfig;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.PostgresEndpoint;
import io.experimentetl.maintenance.ArchiveCommand;
import io.experimentetl.maintenance.CleanupCommand;
import io.experimentetl.maintenance.ForgetCommand;
import io.experimentetl.maintenance.MaintainCommand;
import io.experimentetl.maintenance.Maintenance;
import io.experimentetl.maintenance.PartitionsCommand;
import io.experimentetl.maintenance.Schedule;
import io.experimentetl.maintenance.ScheduledTask;
import io.experimentetl.maintenance.Watermark;
import io.experimentetl.operations.ClickHouseLogin;
import io.experimentetl.operations.Databases;
import io.experimentetl.operations.Deployment;
import io.experimentetl.operations.DeploymentMemory;
import io.experimentetl.operations.FlinkEndpoint;
import io.experimentetl.operations.NamedServers;
import io.experimentetl.operations.PostgresLogin;
import io.experimentetl.operations.SqlFiles;
import io.experimentetl.operations.StatusLine;
import io.experimentetl.operations.StatusLook;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/**
 * The API, the clean-ups and the schedule on real servers. No job runs: the tests write what it
 * would have made visible. Long because one pair of databases serves all cases. What the job makes
 * of a clean-up is tested in TruncateAndRetentionIT.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class ServeIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String ADMIN = "token-of-an-admin";
  private static final String VIEWER = "token-of-a-viewer";
  private static final String DATA = "/api/v1/data-management/";
  private static final String PARTITIONS = "/api/v1/partitions/";

  private record TestDatabases(JobConfig config, PostgresLogin postgres, ClickHouseLogin clickHouse)
      implements Databases {
    @Override
    public Optional<Path> configFile() {
      return Optional.empty();
    }
  }

  private final HttpClient client = HttpClient.newHttpClient();

  /** The owner of the tables; the API has the role that the files make for it. */
  private PostgresEndpoint postgres;

  private ClickHouseEndpoint clickHouse;
  private Deployment deployment;
  private ApiServer api;
  private JsonNode page;

  @BeforeAll
  void start(@TempDir Path folder) throws Exception {
    postgres = PLATFORM.newPostgresDatabase("serve");
    for (String file :
        List.of("001_platform.sql", "002_etl.sql", "004_partitions.sql", "005_retention.sql")) {
      execute(Files.readString(Path.of("sql", "postgres", file)));
      execute(Files.readString(Path.of("sql", "postgres", file)));
    }
    execute("ALTER ROLE experiment_etl_serve PASSWORD 'of the role'");
    clickHouse = PLATFORM.newClickHouseDatabase("serve");
    new SqlFiles(Path.of("sql")).applyTo(clickHouse.login(), true);
    Path tokens =
        Files.writeString(
            folder.resolve("tokens"),
            "anna admin %s\nvera viewer %s\n"
                .formatted(TokensTest.hash(ADMIN), TokensTest.hash(VIEWER)));
    Files.setPosixFilePermissions(tokens, PosixFilePermissions.fromString("rw-------"));
    JobConfig config =
        ConfigBuilder.defaults()
            .with(SourceConfig::slot, "serve_slot")
            .with(RetentionConfig.Warehouse::events, Duration.ofDays(700))
            .with(
                JobConfig::serve,
                new ServeConfig("127.0.0.1", 0, tokens.toString(), null, null, null, null))
            .build();
    deployment =
        new Deployment(
            new TestDatabases(
                config,
                new PostgresLogin(postgres.jdbcUrl(), "experiment_etl_serve", "of the role"),
                clickHouse.login()),
            new Deployment.Cluster(
                new FlinkEndpoint("http://127.0.0.1:1"), Optional.empty(), Duration.ZERO),
            new Deployment.Files(folder, folder, ""),
            new DeploymentMemory(folder.resolve("state"), Optional.empty()),
            Map.of(),
            Set.of());
    Clock clock = Clock.systemUTC();
    api = Api.start(deployment, clock, Api.log(deployment, clock));
    page = JSON.readTree(get("/openapi.json", null).body());
  }

  @AfterAll
  void stop() {
    api.close();
  }

  private void execute(String... statements) throws SQLException {
    try (Connection connection = postgres.connect();
        Statement statement = connection.createStatement()) {
      for (String sql : statements) {
        statement.execute(sql);
      }
    }
  }

  private HttpResponse<String> get(String path, String token) throws Exception {
    HttpRequest.Builder request = HttpRequest.newBuilder(api.url().resolve(path));
    if (token != null) {
      request.header("Authorization", "Bearer " + token);
    }
    return client.send(request.build(), HttpResponse.BodyHandlers.ofString());
  }

  /** The answer, held against the page. */
  private JsonNode read(String path) throws Exception {
    HttpResponse<String> response = get(path, VIEWER);
    return answer("get", path, response, 200);
  }

  private JsonNode post(String path, String body, int status) throws Exception {
    return answer(
        "post",
        path,
        client.send(
            HttpRequest.newBuilder(api.url().resolve(path))
                .header("Authorization", "Bearer " + ADMIN)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build(),
            HttpResponse.BodyHandlers.ofString()),
        status);
  }

  private JsonNode answer(String method, String path, HttpResponse<String> response, int status)
      throws Exception {
    assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
    JsonNode body = JSON.readTree(response.body());
    String plain =
        path.replaceFirst("\\?.*", "").replaceFirst("experiments/[^/]+", "experiments/{key}");
    JsonNode schema =
        status == 200
            ? page.path("paths")
                .path(plain)
                .path(method)
                .at("/responses/200/content/application~1json/schema")
            : page.at("/components/schemas/Problem");
    assertThat(schema.isMissingNode()).as(plain).isFalse();
    JsonSchema held =
        JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012).getSchema(schema);
    assertThat(held.validate(body)).as(method + " " + path).isEmpty();
    return body;
  }

  /** ClickHouse has everything that PostgreSQL has now, and the watermark says so. */
  private void deliverAll() throws SQLException {
    Watermark watermark = new Watermark(postgres.login(), clickHouse.login(), "serve_slot");
    watermark.advance();
    marker();
    assertThat(watermark.advance()).isTrue();
  }

  private void marker() throws SQLException {
    long lsn = postgres.count("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint");
    clickHouse.query(
        "INSERT INTO etl_sink_progress (sequence_number, lsn, committed_at, snapshot_done, written_at) VALUES (%1$d, %1$d, now64(6), true, now64(3))"
            .formatted(lsn));
  }

  private static String event(int id, String age) {
    return "INSERT INTO events (id, timestamp, experiment_id, user_id, event_type) VALUES ('00000000-0000-4000-8000-0000000000%02d', now() - interval '%s', 1, 'u1', 'view')"
        .formatted(id, age);
  }

  /** Long because it calls every route once. */
  @Test
  @Order(1)
  void everyAnswerFitsThePage() throws Exception {
    execute(
        "INSERT INTO experiments (id, key, name, seed) VALUES (1, 'check out', 'Check out', 's')",
        "INSERT INTO users (user_id) VALUES ('u1')",
        event(1, "200 days"),
        "ANALYZE events");
    clickHouse.query(
        "INSERT INTO experiments (id, key, name, created_at, _version) VALUES (1, 'check out', 'Check out', now(), 1)");
    clickHouse.query(
        "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, severity, status, detail, remedy, observed_at, _version) VALUES ('R-X', 'event', 'e', 'ERROR', 'OPEN', 'd', 'r', now(), 1)");

    assertThat(read("/health").path("status").asText()).isEqualTo("UP");
    assertThat(get("/metrics", VIEWER).body())
        .contains("etl_serve_requests_total{method=\"GET\",path=\"/health\",status=\"200\"} 1");
    assertThat(read(PARTITIONS + "health").path("tables")).isNotEmpty();
    assertThat(read(PARTITIONS + "list?table=events").path("partitions")).hasSize(7);
    read(PARTITIONS + "status");
    assertThat(read(DATA + "stats").path("postgresql")).hasSize(6);
    read(DATA + "retention-policies");
    JsonNode pipeline = read("/api/v1/pipeline");
    assertThat(pipeline.path("healthy").asBoolean()).as("no Flink").isFalse();
    JsonNode findings = read("/api/v1/findings?code=R-X&limit=1");
    assertThat(findings.path("total").asInt()).isEqualTo(1);
    assertThat(read("/api/v1/findings?code=R-'").path("total").asInt()).isZero();
    assertThat(read("/api/v1/experiments/check%20out/results").path("experiment").asText())
        .isEqualTo("check out");
    assertThat(get("/api/v1/experiments/other/results", VIEWER).statusCode()).isEqualTo(404);
    assertThat(get("/api/v1/findings?limit=0", VIEWER).statusCode()).isEqualTo(400);

    assertThat(
            post(PARTITIONS + "create", "{\"table\": \"events\", \"monthsAhead\": 4}", 200)
                .path("partitions"))
        .hasSize(2);
    assertThat(post(PARTITIONS + "analyze?table=events", "", 200).path("partitions")).hasSize(9);
    assertThat(
            post(PARTITIONS + "vacuum", "{\"table\": \"events\", \"full\": false}", 200)
                .path("statements"))
        .hasSize(9);
    assertThat(
            post(PARTITIONS + "vacuum", "{\"table\": \"events\", \"full\": true}", 200)
                .path("statements"))
        .hasSize(18);
    post(PARTITIONS + "maintenance", "{\"dryRun\": true}", 200);
    post(PARTITIONS + "cleanup", "{\"table\": \"events\", \"retentionMonths\": 12}", 200);
  }

  @Test
  @Order(2)
  void unregisteredTableAndAValueBelowThePolicyAreRefused() throws Exception {
    for (String action : List.of("create", "analyze", "vacuum", "cleanup", "maintenance")) {
      assertThat(post(PARTITIONS + action, "{\"table\": \"users\"}", 422).path("detail").asText())
          .as(action)
          .contains("users is not registered");
    }
    assertThat(
            post(PARTITIONS + "cleanup", "{\"table\": \"events\", \"retentionMonths\": 0}", 422)
                .path("detail")
                .asText())
        .contains("below the policy of events, which is 4 months");
    // partition_config was lowered: the configuration's 90 days hold all the same.
    execute("UPDATE partition_config SET retention_months = 1 WHERE table_name = 'events'");
    post(
        PARTITIONS + "cleanup",
        "{\"table\": \"events\", \"retentionMonths\": 3, \"dryRun\": false}",
        422);
    assertThat(policy("postgresql", "events").path("agrees").asBoolean()).isFalse();
    execute("UPDATE partition_config SET retention_months = 4 WHERE table_name = 'events'");
    assertThat(policy("postgresql", "events").path("agrees").asBoolean()).isTrue();
    post(DATA + "cleanup", "{\"events_retention_days\": 89, \"dry_run\": false}", 422);
    assertThat(postgres.count("SELECT count(*) FROM events")).isEqualTo(1);
  }

  private JsonNode policy(String store, String table) throws Exception {
    for (JsonNode policy : read(DATA + "retention-policies").path("policies")) {
      if (policy.path("store").asText().equals(store)
          && policy.path("table").asText().equals(table)) {
        return policy;
      }
    }
    throw new AssertionError("no policy of " + table);
  }

  @Test
  @Order(3)
  void nothingIsDeletedWhileNothingSaysWhatClickHouseHas() throws Exception {
    assertThat(
            post(DATA + "cleanup", "{\"cleanup_events\": true, \"dry_run\": false}", 409)
                .path("detail")
                .asText())
        .contains("etl_watermark has no row");
    Watermark watermark = new Watermark(postgres.login(), clickHouse.login(), "serve_slot");
    assertThat(watermark.advance()).as("the warehouse shows nothing").isFalse();
    assertThat(postgres.count("SELECT count(*) FROM etl_watermark")).isZero();
  }

  /** Long because the cases share one clean-up. */
  @Test
  @Order(4)
  void cleanUpTakesOldDeliveredRowsAloneAndCountsThem() throws Exception {
    execute(
        "DELETE FROM events",
        "INSERT INTO variants (id, experiment_id, key, name, allocation_pct) VALUES (11, 1, 'a', 'A', 50)",
        event(2, "100 days"),
        event(3, "100 days"),
        event(4, "101 days"),
        event(5, "89 days"),
        event(6, "120 days"),
        "INSERT INTO assignments (id, experiment_id, user_id, variant_id, assigned_at) VALUES (1, 1, 'u1', 11, now() - interval '366 days')",
        "INSERT INTO outbox_events (id, aggregate_id, aggregate_type, event_type, payload, created_at, processed_at) VALUES"
            + " (1, '1', 'event', 'EVENT_CREATED', '{}', now() - interval '31 days', now()), (2, '1', 'event', 'EVENT_CREATED', '{}', now() - interval '31 days', NULL)",
        "INSERT INTO experiments (id, key, name, seed, status, ends_at) VALUES (2, 'old', 'O', 's', 'COMPLETED', now() - interval '731 days'),"
            + " (3, 'old but active', 'O', 's', 'ACTIVE', now() - interval '731 days'), (4, 'young', 'O', 's', 'ARCHIVED', now() - interval '729 days'),"
            + " (5, 'used', 'O', 's', 'ARCHIVED', now() - interval '800 days')",
        "INSERT INTO variants (id, experiment_id, key, name, allocation_pct) VALUES (21, 2, 'a', 'A', 50), (51, 5, 'a', 'A', 50)",
        "INSERT INTO events (timestamp, experiment_id, user_id, event_type) VALUES (now(), 5, 'u1', 'view')");
    // Event 6 is a dead letter: ClickHouse has not got it.
    clickHouse.query(
        "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, severity, status, event_id, detail, remedy, dead_letter_since, observed_at, _version)"
            + " VALUES ('S-BAD', 'event', '00000000-0000-4000-8000-000000000006@1', 'ERROR', 'OPEN', '00000000-0000-4000-8000-000000000006', 'd', 'r', now(), now(), 1)");
    deliverAll();
    // Written behind the watermark, and back-dated.
    execute(event(7, "100 days"), "UPDATE events SET session_id = 's' WHERE id::text LIKE '%03'");

    JsonNode shown = post(DATA + "cleanup", "{\"cleanupEvents\": true}", 200);
    assertThat(shown.path("dry_run").asBoolean()).isTrue();
    assertThat(counts(shown, "events")).isEqualTo("2 gone, 3 stay");
    assertThat(postgres.count("SELECT count(*) FROM events")).isEqualTo(7);

    JsonNode done =
        post(
            DATA + "cleanup",
            "{\"cleanup_events\": true, \"cleanup_assignments\": true, \"cleanup_outbox\": true, \"cleanup_experiments\": true, \"dry_run\": false}",
            200);
    assertThat(done.path("complete").asBoolean()).isTrue();
    assertThat(counts(done, "events")).isEqualTo("2 gone, 3 stay");
    assertThat(table(done, "events").path("days")).hasSize(3);
    assertThat(counts(done, "assignments")).isEqualTo("1 gone, 0 stay");
    assertThat(counts(done, "outbox_events")).isEqualTo("1 gone, 0 stay");
    assertThat(counts(done, "experiments")).isEqualTo("1 gone, 0 stay");
    assertThat(
            list(
                "SELECT string_agg(right(id::text, 1), ',' ORDER BY id) FROM events WHERE experiment_id = 1"))
        .isEqualTo("3,5,6,7");
    assertThat(list("SELECT string_agg(id::text, ',' ORDER BY id) FROM experiments"))
        .isEqualTo("1,3,4,5");
    assertThat(list("SELECT string_agg(id::text, ',' ORDER BY id) FROM variants"))
        .isEqualTo("11,51");
    assertThat(list("SELECT string_agg(id::text, ',') FROM outbox_events")).isEqualTo("2");

    deliverAll();
    assertThat(
            counts(
                post(DATA + "cleanup", "{\"cleanup_events\": true, \"dryRun\": false}", 200),
                "events"))
        .as("the watermark has passed them; the dead letter stays")
        .isEqualTo("2 gone, 1 stay");
  }

  private static JsonNode table(JsonNode report, String table) {
    for (JsonNode each : report.path("tables")) {
      if (each.path("table").asText().equals(table)) {
        return each;
      }
    }
    throw new AssertionError(table + " is not in " + report);
  }

  private static String counts(JsonNode report, String table) {
    JsonNode found = table(report, table);
    return "%d gone, %d stay"
        .formatted(found.path("rows").asLong(), found.path("refused_rows").asLong());
  }

  private String list(String sql) throws SQLException {
    try (Connection connection = postgres.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getString(1);
    }
  }

  /** The configuration says 700 days, the tables were made with 730. */
  @Test
  @Order(5)
  void cleanUpOfClickHouseSetsTheTtlAndRemovesWhatExpired() throws Exception {
    assertThat(policy("clickhouse", "events_processed").path("actual").asText())
        .isEqualTo("TTL 730 days");
    for (int days : new int[] {690, 710}) {
      clickHouse.query(
          "INSERT INTO events_processed (event_id, timestamp, experiment_id, user_id, _version) VALUES (generateUUIDv4(), now() - INTERVAL %d DAY, 1, 'u1', 1)"
              .formatted(days));
    }
    clickHouse.query("ALTER TABLE experiment_health_daily REMOVE TTL");

    assertThat(
            counts(
                post(DATA + "cleanup", "{\"cleanup_clickhouse\": true}", 200), "events_processed"))
        .isEqualTo("1 gone, 0 stay");
    assertThat(clickHouse.count("SELECT count() FROM events_processed")).isEqualTo(2);
    JsonNode done =
        post(DATA + "cleanup", "{\"cleanup_clickhouse\": true, \"dry_run\": false}", 200);
    assertThat(clickHouse.count("SELECT count() FROM events_processed")).isEqualTo(1);
    assertThat(policy("clickhouse", "events_processed").path("agrees").asBoolean()).isTrue();
    assertThat(table(done, "experiment_health_daily").path("note").asText()).contains("no TTL");
    assertThat(policy("clickhouse", "experiment_health_daily").path("actual").asText())
        .isEqualTo("no TTL");
  }

  @Test
  @Order(6)
  void twoSchedulersRunADueTaskOnce() throws Exception {
    Instant noon = Instant.parse("2030-05-05T12:00:00Z");
    AtomicInteger runs = new AtomicInteger();
    Schedule.Work work =
        () -> {
          runs.incrementAndGet();
          return new Schedule.Outcome(true, "worked");
        };
    assertThat(schedule(noon).runIfDue(ScheduledTask.WEEKLY, false, work))
        .as("a new schedule waits for the next time")
        .isEmpty();
    Instant due = Instant.parse("2030-05-12T03:00:01Z");
    ExecutorService schedulers = Executors.newFixedThreadPool(4);
    List<Callable<Optional<Schedule.Outcome>>> all = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      all.add(() -> schedule(due).runIfDue(ScheduledTask.WEEKLY, false, work));
    }
    int ran = 0;
    for (Future<Optional<Schedule.Outcome>> each : schedulers.invokeAll(all)) {
      ran += each.get().isPresent() ? 1 : 0;
    }
    schedulers.shutdown();
    assertThat(ran).isEqualTo(1);
    assertThat(runs).hasValue(1);
    assertThat(schedule(due).runIfDue(ScheduledTask.WEEKLY, true, work)).isEmpty();

    // A scheduler that died while it ran: its lock is gone, and another one runs the task again.
    execute("UPDATE etl_schedule SET outcome = 'RUNNING' WHERE task = 'weekly'");
    assertThat(schedule(due).runIfDue(ScheduledTask.WEEKLY, false, work)).isPresent();

    assertThat(
            schedule(due.plus(Duration.ofDays(7)))
                .runIfDue(
                    ScheduledTask.WEEKLY,
                    false,
                    () -> {
                      throw new SQLException("no server");
                    }))
        .contains(new Schedule.Outcome(false, "no server"));
    JsonNode task = read(PARTITIONS + "status").path("tasks").get(0);
    assertThat(task.path("outcome").asText()).isEqualTo("FAILED");
    assertThat(task.path("detail").asText()).isEqualTo("no server");
    assertThat(task.path("next_at").asText()).isEqualTo("2030-05-26T03:00:00Z");
    StatusLine line =
        new StatusLook(deployment)
            .lines().stream()
                .filter(each -> each.name().equals("schedule"))
                .findFirst()
                .orElseThrow();
    assertThat(line.healthy()).isFalse();
    assertThat(line.text()).contains("weekly FAILED 2030-05-19T03:00:01Z (no server)");
  }

  private Schedule schedule(Instant now) {
    return new Schedule(
        postgres.login(),
        Clock.fixed(now, ZoneOffset.UTC),
        "test-" + Thread.currentThread().getId());
  }

  @Test
  @Order(7)
  void dailyTaskRunsEveryStep() throws Exception {
    deliverAll();
    Clock clock = Clock.systemUTC();
    // Progress that no watermark outruns: this test has no job that would move it.
    clickHouse.query(
        "INSERT INTO etl_sink_progress (sequence_number, lsn, committed_at, snapshot_done, written_at) VALUES (9000000000000000000, 9000000000000000000, now64(6), true, now64(3))");
    Optional<Schedule.Outcome> outcome =
        new Schedule(postgres.login(), clock, "test")
            .runIfDue(
                ScheduledTask.DAILY,
                true,
                () -> new Maintenance(deployment, clock).run(ScheduledTask.DAILY));
    assertThat(outcome).isPresent();
    assertThat(outcome.orElseThrow().detail())
        .contains(
            "watermark: written", "partitions: ", "cleanup: ", "forget: done", "sizes: recorded")
        .doesNotContain("FAILED");
    assertThat(outcome.orElseThrow().succeeded()).isTrue();
    execute(
        "INSERT INTO etl_table_sizes SELECT day - 10, store, table_name, 0, 0 FROM etl_table_sizes");
    JsonNode stats = read(DATA + "stats");
    for (JsonNode table : stats.path("clickhouse")) {
      if (table.path("table").asText().equals("events_processed")) {
        assertThat(table.path("rows_per_day").asDouble()).isEqualTo(0.1);
      }
    }
    assertThat(postgres.count("SELECT count(*) FROM partition_metadata")).isPositive();
  }

  @Test
  @Order(8)
  void everyChangeIsInTheActionLogAndNoToken() throws Exception {
    String log = Files.readString(deployment.memory().directory().resolve("actions.jsonl"));
    assertThat(log)
        .contains(
            "\"who\":\"anna\"", "POST /api/v1/data-management/cleanup", "\"outcome\":\"done\"")
        .doesNotContain(ADMIN, VIEWER, "\"GET ");
  }

  @Test
  @Order(9)
  void commandsOfThePageWork() throws Exception {
    clickHouse.query(
        "INSERT INTO experiments (id, key, name, created_at, _version) VALUES (9, 'checkout', 'Checkout', now(), 1)");
    List<String> commands =
        Files.readAllLines(Path.of("docs/api.md")).stream()
            .filter(line -> line.startsWith("curl "))
            .map(line -> line.replace("http://localhost:8001", api.url().toString()))
            .toList();
    assertThat(commands).hasSizeGreaterThan(14);
    for (String command : commands) {
      ProcessBuilder shell =
          new ProcessBuilder("bash", "-c", command.replaceFirst("^curl", "curl -sSf"))
              .redirectErrorStream(true);
      shell.environment().put("TOKEN", ADMIN);
      Process process = shell.start();
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertThat(process.waitFor()).as(command + "\n" + output).isZero();
      assertThat(output).isNotEmpty();
    }
  }

  /** After the daily task: the warehouse's progress is beyond every place of the log. */
  @Test
  @Order(10)
  void verbsDoWhatTheApiDoes() throws Exception {
    execute(event(8, "95 days"), event(9, "96 days"));
    // The lowest watermark holds, whichever job wrote it.
    deliverAll();
    assertThat(verb(new CleanupCommand(new NamedServers()), "--only", "events"))
        .contains(
            "events                   2 rows older than", "nothing was deleted: give --execute");
    assertThat(verb(new CleanupCommand(new NamedServers()), "--only", "events", "--execute"))
        .contains("2 rows older than", "are gone");
    assertThat(postgres.count("SELECT count(*) FROM events WHERE id::text ~ '0[89]$'")).isZero();
    assertThat(
            verb(new CleanupCommand(new NamedServers()), "--only", "events", "--older-than", "89"))
        .contains("below the policy of events");
    assertThat(verb(new PartitionsCommand(new NamedServers()), "list", "--table", "events"))
        .contains("partition_name=events_default");
    assertThat(verb(new PartitionsCommand(new NamedServers()), "cleanup", "--table", "users"))
        .contains("users is not registered");
    assertThat(verb(new MaintainCommand(new NamedServers()), "daily"))
        .contains("not run: another scheduler has run it");
  }

  @Test
  @Order(11)
  void archiveRemovesWhatRetentionWouldHaveRemoved(@TempDir Path folder) throws Exception {
    String config =
        Files.writeString(
                folder.resolve("archive.yaml"),
                "archive: {folder: '%s'}\n"
                    .formatted(Files.createDirectory(folder.resolve("cold"))))
            .toString();
    assertThat(verb(new ArchiveCommand(new NamedServers()), "--execute"))
        .contains("There is no archive: set archive.folder or archive.s3.bucket");
    assertThat(
            verb(
                new CleanupCommand(new NamedServers()),
                "--config",
                config,
                "--only",
                "clickhouse",
                "--execute"))
        .contains("archive removes its rows, month by month");
    assertThat(
            clickHouse.query(
                "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine_full LIKE '% TTL %' AND name LIKE '%_processed'"))
        .isEmpty();
    clickHouse.query(
        "INSERT INTO events_processed (event_id, timestamp, experiment_id, user_id, _committed_at, _version) VALUES (generateUUIDv4(), '2020-02-29 12:00:00', 1, 'cold', '2020-03-01 00:00:00', 8)");
    clickHouse.query(
        "INSERT INTO etl_sink_progress (sequence_number, lsn, committed_at, snapshot_done, written_at) SELECT max(sequence_number) + 8, max(lsn) + 8, now64(6), true, now64(3) FROM etl_sink_progress");

    assertThat(verb(new ArchiveCommand(new NamedServers()), "--config", config))
        .contains("2020-02  events_processed       1 row versions", "give --execute");
    assertThat(verb(new ArchiveCommand(new NamedServers()), "--config", config, "--execute"))
        .contains("moved  2020-02  events_processed       1 rows, 1 files");
    assertThat(clickHouse.count("SELECT count() FROM events_processed WHERE user_id = 'cold'"))
        .isZero();
    assertThat(
            verb(
                new ArchiveCommand(new NamedServers()), "--config", config, "--restore", "2020-02"))
        .contains("2020-02 of events_processed is in events_archive: 1 rows");
    assertThat(
            verb(
                new ArchiveCommand(new NamedServers()), "--config", config, "--restore", "1999-01"))
        .contains("1999-01 is not archived in");

    clickHouse.query(
        "INSERT INTO users (user_id, _committed_at, _version, _deleted, _delete_reason) VALUES ('cold', '2026-01-01 00:00:00', 16, true, 'erasure')");
    Files.move(folder.resolve("cold"), folder.resolve("unmounted"));
    assertThat(verb(new ForgetCommand(new NamedServers()), "--config", config))
        .contains("nobody is forgotten", "does not exist: mount its volume", "does both");
    assertThat(clickHouse.count("SELECT count() FROM users WHERE user_id = 'cold'")).isEqualTo(1);
    Files.move(folder.resolve("unmounted"), folder.resolve("cold"));
    assertThat(verb(new ForgetCommand(new NamedServers()), "--config", config))
        .contains("rewritten  2020-02  events_processed       0 rows, 0 files");
    assertThat(clickHouse.count("SELECT count() FROM events_archive")).isZero();
    assertThat(verb(new ArchiveCommand(new NamedServers()), "--config", config, "--list"))
        .contains("2020-02  events_processed       0 rows", "users erased 1 times");
    assertThat(verb(new MaintainCommand(new NamedServers()), "monthly", "--config", config))
        .contains("done: archive: 0 months moved, 0 wait");
  }

  /** What a verb prints. */
  private String verb(Object verb, String... options) throws Exception {
    Path passwords = deployment.files().config();
    List<String> words =
        new ArrayList<>(
            List.of(
                "--postgres-url",
                postgres.jdbcUrl(),
                "--postgres-user",
                "experiment_etl_serve",
                "--postgres-password-file",
                Files.writeString(passwords.resolve("postgres-password"), "of the role").toString(),
                "--clickhouse-url",
                clickHouse.url(),
                "--clickhouse-database",
                clickHouse.database(),
                "--clickhouse-user",
                clickHouse.user(),
                "--clickhouse-password-file",
                Files.writeString(passwords.resolve("clickhouse-password"), clickHouse.password())
                    .toString()));
    words.addAll(List.of(options));
    StringWriter text = new StringWriter();
    new CommandLine(verb)
        .setOut(new PrintWriter(text))
        .setErr(new PrintWriter(text))
        .execute(words.toArray(String[]::new));
    return text.toString();
  }
}
