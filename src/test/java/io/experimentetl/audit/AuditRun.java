package io.experimentetl.audit;

import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.maintenance.MaintainCommand;
import io.experimentetl.operations.NamedServers;
import io.experimentetl.operations.VerifyCommand;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine;

/**
 * Two experiments of forty users in both databases, and the audit that is run over them. Closing it
 * reports a delivery in the background that failed.
 */
final class AuditRun implements AutoCloseable {
  static final StatisticsConfig STATISTICS = StatisticsConfig.defaults();
  static final LocalDate YESTERDAY = LocalDate.now(ZoneOffset.UTC).minusDays(1);

  private final ScheduledExecutorService background = Executors.newScheduledThreadPool(2);
  private final PlatformExtension platform;
  private final AuditFixture fixture;
  private ScheduledFuture<?> delivery;

  private AuditRun(PlatformExtension platform, AuditFixture fixture) {
    this.platform = platform;
    this.fixture = fixture;
  }

  static AuditRun create(PlatformExtension platform) throws Exception {
    return create(platform, AuditFixture.create(platform));
  }

  static AuditRun create(PlatformExtension platform, AuditFixture fixture) throws Exception {
    fixture.experiment(1, "'America/Los_Angeles'", "NULL", "NULL");
    fixture.experiment(2, "NULL", "NULL", "NULL");
    fixture
        .delivery()
        .deliver(
            STATISTICS); // so that a progress marker lies between the experiments and what refers
    // to
    // them
    fixture.sql(
        "INSERT INTO users (user_id, name, email, properties, is_active)"
            + " SELECT 'u' || i, E'N\\u00e4me ' || i, NULL, jsonb_build_object('country', 'DE', 'n', i * 0.10), i % 3 > 0"
            + " FROM generate_series(1, 40) i");
    fixture.sql(
        "INSERT INTO assignments (experiment_id, user_id, variant_id, assigned_at, context)"
            + " SELECT e, 'u' || i, e * 10 + 1 + i % 2, '"
            + YESTERDAY
            + " 00:00Z'::timestamptz - interval '1 day', '{\"b\": [1, {\"a\": null}]}'"
            + " FROM generate_series(1, 40) i, generate_series(1, 2) e");
    fixture.sql(
        "INSERT INTO events (\"timestamp\", experiment_id, user_id, variant_id, event_type, properties)"
            + " SELECT '"
            + YESTERDAY
            + " 00:00Z'::timestamptz + (i * 20 + k * 600) * interval '1.000001 minutes' - interval '1 day', e, 'u' || i,"
            + " e * 10 + 1 + i % 2, (ARRAY ['exposure', 'conversion', 'purchase'])[1 + k % 3],"
            + " CASE WHEN k % 3 = 2 THEN jsonb_build_object('revenue', i * 1.25) END"
            + " FROM generate_series(1, 40) i, generate_series(0, 4) k, generate_series(1, 2) e");
    fixture.delivery().deliver(STATISTICS);
    return new AuditRun(platform, fixture);
  }

  AuditFixture fixture() {
    return fixture;
  }

  ScheduledExecutorService background() {
    return background;
  }

  /** From now on nothing is delivered, and the progress marker follows the log. */
  void rest() {
    every(150, fixture.delivery()::marker);
  }

  /** Work that is repeated in the background. */
  interface Step {
    void run() throws SQLException;
  }

  void every(int millis, Step step) {
    delivery =
        background.scheduleWithFixedDelay(
            () -> {
              try {
                step.run();
              } catch (SQLException e) {
                throw new IllegalStateException(e);
              }
            },
            0,
            millis,
            TimeUnit.MILLISECONDS);
  }

  AuditReport audit() {
    return new Audit(fixture.settings(STATISTICS)).run();
  }

  /** The output of {@code verify}. */
  record Verified(int exitCode, String out, String err) {}

  Verified verify(String... options) throws Exception {
    return execute(new VerifyCommand(new NamedServers()), options);
  }

  /** The output of {@code maintain}. */
  Verified maintain(String task) throws Exception {
    return execute(new MaintainCommand(new NamedServers()), task);
  }

  private Verified execute(Object verb, String... options) throws Exception {
    AuditSettings settings = fixture.settings(STATISTICS);
    Path postgresPassword =
        Files.writeString(
            platform.directory().resolve("postgres-password"), fixture.postgres().password());
    Path clickHousePassword =
        Files.writeString(
            platform.directory().resolve("clickhouse-password"), fixture.clickHouse().password());
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "--postgres-url", settings.postgresUrl(),
                "--postgres-user", settings.postgresUser(),
                "--postgres-password-file", postgresPassword.toString(),
                "--clickhouse-url", fixture.clickHouse().url(),
                "--clickhouse-database", fixture.clickHouse().database(),
                "--clickhouse-user", fixture.clickHouse().user(),
                "--clickhouse-password-file", clickHousePassword.toString()));
    arguments.addAll(List.of(options));
    int exitCode =
        new CommandLine(verb)
            .setOverwrittenOptionsAllowed(true)
            .setOut(new PrintWriter(out))
            .setErr(new PrintWriter(err))
            .execute(arguments.toArray(String[]::new));
    return new Verified(exitCode, out.toString(), withoutProgress(err.toString()));
  }

  /** On a busy machine a step may take long enough to be reported. */
  private static String withoutProgress(String err) {
    return err.replaceAll("(?m)^.*: \\d+ s so far\\R", "");
  }

  @Override
  public void close() throws Exception {
    if (delivery != null && delivery.isDone()) {
      delivery.get();
    }
    background.shutdownNow();
    background.awaitTermination(30, TimeUnit.SECONDS);
    fixture.close();
  }
}
