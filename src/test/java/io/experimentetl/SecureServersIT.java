package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import io.experimentetl.cdc.PostgresPreflight;
import io.experimentetl.cdc.PostgresSourceSettings;
import io.experimentetl.config.ClickHouseConfig;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.KafkaConfig;
import io.experimentetl.config.OutboxConfig;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.local.ClickHouseServer;
import io.experimentetl.local.KafkaServer;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.PostgresEndpoint;
import io.experimentetl.operations.NamedServers;
import io.experimentetl.operations.VerifyCommand;
import io.experimentetl.tls.ServerTls;
import io.experimentetl.tls.TestCertificates;
import io.experimentetl.tls.TlsFiles;
import io.experimentetl.tls.TlsMode;
import io.experimentetl.tls.TlsProxy;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.test.junit5.InjectMiniCluster;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/**
 * The whole job, and {@code verify}, where every server demands TLS and a client certificate. The
 * embedded ClickHouse speaks no TLS: a proxy in front of it does.
 */
class SecureServersIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();
  @RegisterExtension static final MiniClusterExtension FLINK = JobOnServers.cluster();

  private static final String TOPIC = "secure.findings";
  private static final String SOURCE_SECRET = "source-secret-4711";

  @TempDir static Path folder;

  private static TestCertificates certificates;
  private static JobDatabases databases;
  private static KafkaServer kafka;
  private static TlsProxy clickHouse;
  private static TlsProxy expiredClickHouse;
  private static TlsProxy expiredKafka;
  private static String formerLogins;

  @BeforeAll
  static void serversDemandTls() throws Exception {
    certificates = TestCertificates.create(Files.createDirectory(folder.resolve("tls")));
    databases = JobDatabases.create(PLATFORM, folder, "secure");
    databases.execute("ALTER ROLE experiment_etl PASSWORD '" + SOURCE_SECRET + "'");
    formerLogins = Files.readString(logins());
    Files.writeString(
        logins(),
        "hostssl all experiment_etl 127.0.0.1/32 scram-sha-256 clientcert=verify-full\n"
            + "hostnossl all experiment_etl 127.0.0.1/32 reject\n"
            + formerLogins);
    showInPostgres("server");
    int port = URI.create(databases.clickHouse().url()).getPort();
    clickHouse = TlsProxy.start(certificates.server("server"), port);
    expiredClickHouse = TlsProxy.start(certificates.server("expired"), port);
    kafka =
        KafkaServer.start(
            PLATFORM.directory().resolve("kafka-tls"),
            """
            listener.security.protocol.map=PLAINTEXT:SSL,CONTROLLER:PLAINTEXT
            inter.broker.listener.name=PLAINTEXT
            ssl.client.auth=required
            ssl.keystore.type=PEM
            ssl.keystore.location=%s
            ssl.truststore.type=PEM
            ssl.truststore.location=%s
            """
                .formatted(
                    certificates.keyAndCertificates("server"),
                    certificates.certificateFile(TestCertificates.CA)));
    expiredKafka = TlsProxy.start(certificates.server("expired"), kafkaPort());
    try (Admin admin = Admin.create(KafkaSinks.client(config("127.0.0.1", "")))) {
      admin
          .createTopics(
              List.of(
                  new NewTopic(TOPIC, 1, (short) 1),
                  new NewTopic("secure.outbox.event", 1, (short) 1),
                  new NewTopic("secure.outbox.assignment", 1, (short) 1)))
          .all()
          .get(60, TimeUnit.SECONDS);
    }
  }

  @AfterAll
  static void serversAreAsBefore() throws Exception {
    if (formerLogins != null) {
      Files.writeString(logins(), formerLogins);
      databases.execute("ALTER SYSTEM RESET ssl", "SELECT pg_reload_conf()");
      databases.endReader();
    }
    if (kafka != null) {
      kafka.kill9();
    }
    for (TlsProxy proxy : new TlsProxy[] {clickHouse, expiredClickHouse, expiredKafka}) {
      if (proxy != null) {
        proxy.close();
      }
    }
  }

  private static int kafkaPort() {
    return Integer.parseInt(kafka.bootstrapServers().replaceFirst(".*:", ""));
  }

  private static Path logins() {
    return PLATFORM.directory().resolve("postgres/data/pg_hba.conf");
  }

  private static void showInPostgres(String certificate) throws SQLException {
    databases.execute(
        "ALTER SYSTEM SET ssl_cert_file = '" + certificates.certificateFile(certificate) + "'",
        "ALTER SYSTEM SET ssl_key_file = '" + certificates.keyFile(certificate) + "'",
        "ALTER SYSTEM SET ssl_ca_file = '"
            + certificates.certificateFile(TestCertificates.CA)
            + "'",
        "ALTER SYSTEM SET ssl = on",
        "SELECT pg_reload_conf()");
    PostgresEndpoint server = databases.postgres();
    await().until(() -> server.count("SELECT count(*) WHERE current_setting('ssl') = 'on'") == 1);
  }

  /** The configuration as a file: every host is this one, and the last lines are added. */
  private static JobConfig config(String host, String more) throws Exception {
    return JobConfig.load(file(host, more), Map.of());
  }

  private static Path file(String host, String more) throws Exception {
    String client =
        "tls: {%sca-file: %s, certificate-file: %s, key-file: %s}"
            .formatted(
                "%s",
                certificates.certificateFile(TestCertificates.CA),
                certificates.certificateFile("client"),
                certificates.keyFile("client"));
    Path source = Files.writeString(folder.resolve("source-password"), SOURCE_SECRET);
    Path warehouse =
        Files.writeString(folder.resolve("warehouse-password"), databases.clickHouse().password());
    return Files.writeString(
        Files.createTempFile(folder, "job", ".yaml"),
        """
        source:
          host: %1$s
          port: %2$d
          database: %3$s
          slot: %3$s
          username: experiment_etl
          password-file: %4$s
          heartbeat-interval: 500ms
          %5$s
        clickhouse:
          url: https://%1$s:%6$d
          database: %7$s
          username: %8$s
          password-file: %9$s
          %10$s
        kafka:
          bootstrap-servers: %1$s:%11$d
          findings-topic: %12$s
          transaction-timeout: 5m
          properties:
            security.protocol: SSL
            ssl.truststore.type: PEM
            ssl.truststore.location: %13$s
            ssl.keystore.type: PEM
            ssl.keystore.location: %14$s
        outbox: {enabled: true, topic-prefix: secure.outbox.}
        """
                .formatted(
                    host,
                    databases.postgres().port(),
                    databases.postgres().database(),
                    source,
                    client.formatted("mode: verify-full, "),
                    clickHouse.port(),
                    databases.clickHouse().database(),
                    ClickHouseServer.JOB_USER,
                    warehouse,
                    client.formatted(""),
                    kafkaPort(),
                    TOPIC,
                    certificates.certificateFile(TestCertificates.CA),
                    certificates.keyAndCertificates("client"))
            + more);
  }

  @Test
  void everyConnectionOfTheJobIsEncryptedAndNoSecretIsShown(@InjectMiniCluster MiniCluster flink)
      throws Exception {
    databases.execute(JobScenario.EXPERIMENTS, JobScenario.USERS);
    Path file = file("127.0.0.1", "");
    JobConfig config = JobConfig.load(file, Map.of());
    ShownTexts shown = ShownTexts.from(flink);
    try (shown) {
      JobClient job = KafkaJob.submit(config, folder, KafkaSinks.of(config), null);
      try {
        awaitAcknowledgedOutboxRow();
        assertEveryConnectionIsEncrypted();
        assertThat(findings(config)).isPositive();
        assertThat(verify(file)).contains("EQUAL");
        shown.addFlinkAnswers(job.getJobID().toHexString());
        shown.addFiles(folder.resolve("checkpoints"));
        shown.addProcesses();
        // The stream's connection is lost once: what the job says then is shown too.
        databases.endReader();
        shown.addFiles(
            Path.of(
                URI.create(
                    job.stopWithSavepoint(
                            false,
                            folder.resolve("savepoints").toUri().toString(),
                            SavepointFormatType.CANONICAL)
                        .get(60, TimeUnit.SECONDS))));
      } catch (Exception | AssertionError e) {
        job.cancel().get(60, TimeUnit.SECONDS);
        throw e;
      }
      shown.add("refused", String.join("\n", problems(config("localhost", ""))));
    }
    shown.assertNone(
        SOURCE_SECRET,
        databases.clickHouse().password(),
        Files.readAllLines(certificates.keyFile("client")).get(1));
  }

  private static void awaitAcknowledgedOutboxRow() throws SQLException {
    databases.execute(
        JobScenario.event("91", "2 days", 1, "u9", "99", "page_view", "{}"),
        "INSERT INTO outbox_events (aggregate_id, aggregate_type, event_type, payload)"
            + " VALUES ('u9', 'event', 'EVENT_CREATED', '{\"id\": \"e1\", \"event\": \"page_view\", \"user_id\": \"u9\"}')");
    await()
        .atMost(Duration.ofSeconds(90))
        .until(() -> count("FROM outbox_events WHERE processed_at IS NOT NULL") == 1);
  }

  private static void assertEveryConnectionIsEncrypted() {
    // The stream's connection opens when the snapshot is complete.
    await()
        .until(
            () ->
                count(
                        "FROM pg_stat_replication JOIN pg_stat_ssl s USING (pid) WHERE s.ssl AND s.client_dn = '/CN=experiment_etl'")
                    == 1);
    assertThat(
            count(
                "FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) WHERE a.usename = 'experiment_etl' AND NOT s.ssl"))
        .isZero();
  }

  private static long count(String rows) {
    return databases.postgres().count("SELECT count(*) " + rows);
  }

  private static int findings(JobConfig config) {
    Properties client = KafkaSinks.client(config);
    client.put("group.id", "secure");
    client.put("auto.offset.reset", "earliest");
    client.put("isolation.level", "read_committed");
    try (KafkaConsumer<String, String> consumer =
        new KafkaConsumer<>(client, new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of(TOPIC));
      return await().until(() -> consumer.poll(Duration.ofSeconds(1)).count(), count -> count > 0);
    }
  }

  private static String verify(Path config) {
    StringWriter out = new StringWriter();
    int exitCode =
        new CommandLine(new VerifyCommand(new NamedServers()))
            .setOut(new PrintWriter(out))
            .setErr(new PrintWriter(out))
            .execute("--config", config.toString());
    assertThat(exitCode).as(out.toString()).isZero();
    return out.toString();
  }

  @Test
  void otherHostThanTheCertificatesIsRefusedByAllServers() throws Exception {
    String wrong = "certificate is for other names than the host that the job connects to";
    assertThat(problems(config("localhost", "")))
        .satisfiesExactly(
            problem -> assertThat(problem).contains("PostgreSQL localhost", wrong),
            problem -> assertThat(problem).contains("ClickHouse at https://localhost", wrong),
            problem -> assertThat(problem).contains("Kafka localhost", wrong),
            problem -> assertThat(problem).contains("outbox_events", wrong));
  }

  @Test
  void expiredCertificateIsRefusedOfAllServers() throws Exception {
    showInPostgres("expired");
    try {
      JobConfig config =
          ConfigBuilder.from(config("127.0.0.1", ""))
              .with(ClickHouseConfig::url, "https://127.0.0.1:" + expiredClickHouse.port())
              .with(KafkaConfig::bootstrapServers, "127.0.0.1:" + expiredKafka.port())
              .with(OutboxConfig::enabled, false)
              .build();
      // The server takes its new certificate for new connections a moment later.
      await()
          .untilAsserted(
              () ->
                  assertThat(problems(config))
                      .satisfiesExactly(
                          problem ->
                              assertThat(problem)
                                  .contains("PostgreSQL 127.0.0.1", "has expired (NotAfter: "),
                          problem ->
                              assertThat(problem)
                                  .contains("ClickHouse at https", "has expired (NotAfter: "),
                          problem ->
                              assertThat(problem)
                                  .contains("Kafka 127.0.0.1", "has expired (NotAfter: ")));
    } finally {
      showInPostgres("server");
    }
  }

  @Test
  void plainConnectionUnknownAuthorityAndMissingClientCertificateAreRefused() throws Exception {
    JobConfig good =
        ConfigBuilder.from(config("127.0.0.1", ""))
            .with(OutboxConfig::enabled, false)
            .with(KafkaConfig::findingsTopic, null)
            .build();
    String authority = certificates.certificateFile(TestCertificates.CA).toString();
    String stranger = certificates.certificateFile(TestCertificates.STRANGER).toString();
    assertThat(problemOfSource(good, TlsFiles.NONE, TlsMode.DISABLE))
        .contains("takes no connection without TLS", "tls.mode: verify-full");
    assertThat(problemOfSource(good, new TlsFiles(stranger, null, null), TlsMode.VERIFY_FULL))
        .contains("no trusted CA has signed the server's certificate", "ca-file");
    assertThat(problemOfSource(good, new TlsFiles(authority, null, null), TlsMode.VERIFY_CA))
        .contains("demands a client certificate", "certificate-file and key-file");
    databases.execute("ALTER SYSTEM SET ssl = off", "SELECT pg_reload_conf()");
    try {
      await()
          .untilAsserted(
              () ->
                  assertThat(problemOfSource(good, good.source().tls().files(), TlsMode.REQUIRE))
                      .contains("offers no TLS, which tls.mode demands", "ssl = on"));
    } finally {
      showInPostgres("server");
    }
  }

  private static String problemOfSource(JobConfig good, TlsFiles files, TlsMode mode) {
    JobConfig config =
        ConfigBuilder.from(good).with(SourceConfig::tls, new ServerTls(mode, files)).build();
    List<String> problems = PostgresPreflight.check(PostgresSourceSettings.of(config), true, false);
    assertThat(problems).hasSize(1);
    return problems.get(0);
  }

  private static List<String> problems(JobConfig config) {
    PreflightException refused =
        catchThrowableOfType(
            PreflightException.class,
            () -> KafkaJob.submit(config, folder, KafkaSinks.of(config), null));
    assertThat(refused).as("the job was not refused").isNotNull();
    return refused.getMessage().lines().skip(1).toList();
  }
}
