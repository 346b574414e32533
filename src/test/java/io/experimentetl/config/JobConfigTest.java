package io.experimentetl.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.assertj.core.api.Assertions.tuple;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.tls.ServerTls;
import io.experimentetl.tls.TlsFiles;
import io.experimentetl.tls.TlsMode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.lang.reflect.RecordComponent;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Long because each key and each error is a line of it. */
class JobConfigTest {
  private static final String PASSWORD = "hunter2!: {";
  private static final Map<String, String> SECRETS =
      Map.of(
          "EXPERIMENT_ETL_SOURCE_PASSWORD", PASSWORD,
          "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", PASSWORD);
  private static final JobConfig DEFAULTS = ConfigBuilder.defaults().build();

  @TempDir Path folder;

  @Test
  void emptyFileGivesTheDefaults() {
    assertThat(parse("")).isEqualTo(DEFAULTS);
    assertThat(parse("source:\n")).isEqualTo(DEFAULTS);
  }

  @Test
  void documentedFileGivesTheDefaults() throws IOException {
    assertThat(parse(documented())).isEqualTo(DEFAULTS);
  }

  @Test
  void documentedFileHasEveryKeyOfTheRecords() throws IOException {
    JsonNode file = new ObjectMapper(new YAMLFactory()).readTree(documented());
    List<String> missing = new ArrayList<>();
    for (RecordComponent section : JobConfig.class.getRecordComponents()) {
      if (section.getType().isRecord()) {
        missingKeys(file.path(section.getName()), section.getType(), section.getName(), missing);
      } else if (!file.has(section.getName())) {
        missing.add(section.getName());
      }
    }
    for (JsonNode metric : file.path("statistics").path("metrics")) {
      missingKeys(metric, MetricConfig.class, "metrics", missing);
    }
    missingKeys(
        file.path("findings").path("health"), HealthConfig.class, "findings.health", missing);
    missingKeys(
        file.path("retention").path("postgres"),
        RetentionConfig.Postgres.class,
        "retention.postgres",
        missing);
    missingKeys(
        file.path("retention").path("clickhouse"),
        RetentionConfig.Warehouse.class,
        "retention.clickhouse",
        missing);
    assertThat(missing).isEmpty();
  }

  private static void missingKeys(JsonNode node, Class<?> type, String path, List<String> missing) {
    for (RecordComponent component : type.getRecordComponents()) {
      if (component.getType() == MetricPurpose.class) {
        missingKeys(node, MetricPurpose.class, path, missing);
        continue;
      }
      String key = component.getName().replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
      if (component.getType() == TlsFiles.class) {
        missingKeys(node.path(key), TlsFiles.class, path + "." + key, missing);
      } else if (component.getType() == ServerTls.class) {
        missingKeys(node.path(key), TlsFiles.class, path + "." + key, missing);
        if (!node.path(key).has("mode")) {
          missing.add(path + "." + key + ".mode");
        }
      }
      if (component.getType() == Secret.class) {
        key += "-file";
      }
      if (!node.has(key)) {
        missing.add(path + "." + key);
      }
    }
  }

  /** Long because it names every key of the configuration. */
  @Test
  void everyKeyIsRead() {
    JobConfig config =
        parse(
            """
            source: {type: postgres, host: db, port: 1, database: d, schema: s, username: u, publication: p, slot: q,
              heartbeat-interval: 500ms, split-size: 100,
              users-truncate: erase, unstreamed-changes: repair, tls: {mode: verify-ca}}
            clickhouse: {url: "https://ch:8443", database: w, username: v, batch-rows: 7, batch-bytes: 2KiB,
              inline-bytes: 3, spill-directory: "s3://b", request-timeout: 1m, commit-deadline: 2h}
            statistics:
              zone: Europe/Berlin
              population: assigned
              exposure-event: seen
              crossover: first
              allowed-lateness: 1h
              metrics:
                - {name: m, kind: mean, event-type: e, property: x, delay: 1h, window: 7d, cap: 123456789012.250000, covariate: 14d, since: 2026-12-01}
                - {name: n, kind: count, event-type: e, cap: 100}
                - {name: r, kind: ratio, event-type: e, property: x, denominator: {event-type: f, property: y}}
                - {name: q, kind: ratio, event-type: e, denominator: {event-type: f}}
            findings: {grace: 1s, future-tolerance: 2s, pending-per-user: 3, event-types: [login], srm-alert-p: 0.5,
              srm-minimum-users-per-variant: 9,
              health: {crossover-share: 0.2, crossover-minimum-users: 2, variant-minimum-users: 4, no-exposures-after: 0s,
                metric-minimum-users: 5, volume-minimum-exposures: 6, outlier-share: 0.3, freshness: 1m, bot-events-per-day: 7}}
            delivery: {mode: low-latency, linger: 1s}
            kafka: {bootstrap-servers: "b:1", properties: {security.protocol: SSL, request.timeout.ms: 7},
              source-topic-prefix: cdc., findings-topic: f, transactional-id-prefix: t, transaction-timeout: 1h}
            outbox: {enabled: true, topic-prefix: o-, aggregate-types: [event], event-types: [purchase],
              grace: 2m, stuck-after: 1h}
            state: {evict-after: 30d}
            retention: {postgres: {events: 1d, assignments: P2D, outbox-events: 3d, experiments: 4d},
              clickhouse: {events: 5d, assignments: 6d, daily-statistics: 7d}}
            archive: {folder: null, s3: {endpoint: "https://m:9000", region: r, bucket: b, prefix: a, username: null}}
            serve: {host: h, port: 9, tokens-file: t, certificate-file: c, key-file: k, keep-savepoints: 3, action-log: l}
            """);
    assertThat(config)
        .isEqualTo(
            ConfigBuilder.defaults()
                .with(SourceConfig::host, "db")
                .with(SourceConfig::port, 1)
                .with(SourceConfig::database, "d")
                .with(SourceConfig::schema, "s")
                .with(SourceConfig::tables, SourceMapping.defaults("s"))
                .with(SourceConfig::username, "u")
                .with(SourceConfig::tls, new ServerTls(TlsMode.VERIFY_CA, TlsFiles.NONE))
                .with(SourceConfig::publication, "p")
                .with(SourceConfig::slot, "q")
                .with(SourceConfig::heartbeatInterval, Duration.ofMillis(500))
                .with(SourceConfig::splitSize, 100)
                .with(RetentionConfig.Postgres::events, Duration.ofDays(1))
                .with(RetentionConfig.Postgres::assignments, Duration.ofDays(2))
                .with(RetentionConfig.Postgres::outboxEvents, Duration.ofDays(3))
                .with(RetentionConfig.Postgres::experiments, Duration.ofDays(4))
                .with(RetentionConfig.Warehouse::events, Duration.ofDays(5))
                .with(RetentionConfig.Warehouse::assignments, Duration.ofDays(6))
                .with(RetentionConfig.Warehouse::dailyStatistics, Duration.ofDays(7))
                .with(
                    JobConfig::archive,
                    new ArchiveConfig(
                        null, new ArchiveConfig.S3("https://m:9000", "r", "b", "a", null, null)))
                .with(JobConfig::serve, new ServeConfig("h", 9, "t", "c", "k", 3, "l"))
                .with(SourceConfig::usersTruncate, UsersTruncate.ERASE)
                .with(SourceConfig::unstreamedChanges, UnstreamedChanges.REPAIR)
                .with(ClickHouseConfig::url, "https://ch:8443")
                .with(ClickHouseConfig::database, "w")
                .with(ClickHouseConfig::username, "v")
                .with(ClickHouseConfig::batchRows, 7)
                .with(ClickHouseConfig::batchBytes, 2048)
                .with(ClickHouseConfig::inlineBytes, 3)
                .with(ClickHouseConfig::spillDirectory, "s3://b")
                .with(ClickHouseConfig::requestTimeout, Duration.ofMinutes(1))
                .with(ClickHouseConfig::commitDeadline, Duration.ofHours(2))
                .with(StatisticsConfig::zone, "Europe/Berlin")
                .with(StatisticsConfig::population, Population.ASSIGNED)
                .with(StatisticsConfig::exposureEvent, "seen")
                .with(StatisticsConfig::crossover, CrossoverPolicy.FIRST)
                .with(StatisticsConfig::allowedLateness, Duration.ofHours(1))
                .withMetrics(
                    MetricConfig.mean("m", "e", "x")
                        .within(Duration.ofHours(1), Duration.ofDays(7))
                        .withCap("123456789012.25")
                        .withCovariate(Duration.ofDays(14))
                        .withSince(LocalDate.parse("2026-12-01")),
                    MetricConfig.count("n", "e").withCap("100"),
                    MetricConfig.ratio("r", new MetricTerm("e", "x"), new MetricTerm("f", "y")),
                    MetricConfig.ratio("q", new MetricTerm("e", null), new MetricTerm("f", null)))
                .with(FindingsConfig::grace, Duration.ofSeconds(1))
                .with(FindingsConfig::futureTolerance, Duration.ofSeconds(2))
                .with(FindingsConfig::pendingPerUser, 3)
                .with(FindingsConfig::srmAlertP, 0.5)
                .with(FindingsConfig::srmMinimumUsersPerVariant, 9)
                .with(FindingsConfig::eventTypes, List.of("login", "purchase"))
                .with(HealthConfig::crossoverShare, 0.2)
                .with(HealthConfig::crossoverMinimumUsers, 2)
                .with(HealthConfig::variantMinimumUsers, 4)
                .with(HealthConfig::noExposuresAfter, Duration.ZERO)
                .with(HealthConfig::metricMinimumUsers, 5)
                .with(HealthConfig::volumeMinimumExposures, 6)
                .with(HealthConfig::outlierShare, 0.3)
                .with(HealthConfig::freshness, Duration.ofMinutes(1))
                .with(HealthConfig::botEventsPerDay, 7)
                .with(DeliveryConfig::mode, DeliveryMode.LOW_LATENCY)
                .with(DeliveryConfig::linger, Duration.ofSeconds(1))
                .with(KafkaConfig::bootstrapServers, "b:1")
                .with(
                    KafkaConfig::properties,
                    new TreeMap<>(Map.of("security.protocol", "SSL", "request.timeout.ms", "7")))
                .with(KafkaConfig::sourceTopicPrefix, "cdc.")
                .with(KafkaConfig::findingsTopic, "f")
                .with(KafkaConfig::transactionalIdPrefix, "t")
                .with(KafkaConfig::transactionTimeout, Duration.ofHours(1))
                .with(OutboxConfig::enabled, true)
                .with(OutboxConfig::topicPrefix, "o-")
                .with(OutboxConfig::aggregateTypes, List.of("event"))
                .with(OutboxConfig::eventTypes, List.of("purchase"))
                .with(OutboxConfig::grace, Duration.ofMinutes(2))
                .with(OutboxConfig::stuckAfter, Duration.ofHours(1))
                .with(StateConfig::evictAfter, Duration.ofDays(30))
                .build());
  }

  /** Long because it lists the errors of every kind of setting. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "source: {prot: 1}|source.prot|is not a key of source.|Did you mean port?",
        "sources: {}|sources|is not a key of this file.|Did you mean source?",
        "statistics: {qqqqqqqqq: 1}|statistics.qqqqqqqqq|is not a key of statistics.|use one of zone, population, exposure-event, crossover, allowed-lateness, metrics.",
        "source: 5|source|is 5, not a group of keys.|Write its keys below it, indented.",
        "source: {port: x}|source.port|is \"x\", not a whole number.|Use a whole number from 1 to 65535. The default is 5432.",
        "source: {port: 1.5}|source.port|is 1.5, not a whole number.|Use a whole number from 1 to 65535. The default is 5432.",
        "source: {port: 70000}|source.port|is 70000, which is out of range.|Use a whole number from 1 to 65535. The default is 5432.",
        "source: {port: 99999999999}|source.port|is 99999999999, which is out of range.|Use a whole number from 1 to 65535. The default is 5432.",
        "source: {host: }|source.host|is empty, not a string.|Use a string. The default is localhost.",
        "source: {host: ' '}|source.host|is \" \", not a string.|Use a string. The default is localhost.",
        "source: {host: [a]}|source.host|is a list, not a string.|Use a string. The default is localhost.",
        "source: {username: 123}|source.username|is 123, not a string.|Put it in quotes: \"123\".",
        "source: {slot: Nein}|source.slot|\"Nein\" is not a name of at most 63 lower-case letters, digits and underscores.|The default is experiment_etl.",
        "source: {heartbeat-interval: 10}|source.heartbeat-interval|is 10, not a duration.|Use a duration from 100ms to 5m (ms, s, m, h, d or ISO 8601). The default is 10s.",
        "source: {heartbeat-interval: 1 week}|source.heartbeat-interval|is \"1 week\", not a duration.|(ms, s, m, h, d or ISO 8601)",
        "source: {heartbeat-interval: 1h}|source.heartbeat-interval|is 1h, which is out of range.|Use a duration from 100ms to 5m",
        "retention: {postgres: {events: 0d}}|retention.postgres.events|is 0d, which is out of range.|Use a duration from 1d to 36500d",
        "retention: {clickhouse: {events: 89d}}|retention.clickhouse.events|is shorter than retention.postgres.events.|raise it.",
        "retention: {postgres: {assignments: 800d}}|retention.clickhouse.assignments|is shorter than retention.postgres.assignments.|raise it.",
        "archive: {folder: f, s3: {bucket: b}}|archive.folder|and archive.s3.bucket are both set.|remove one",
        "archive: {s3: {bucket: b, username: u}}|archive.s3.password|The environment variable EXPERIMENT_ETL_ARCHIVE_S3_PASSWORD is not set.|password-file",
        "serve: {certificate-file: c.pem}|serve.key-file|is missing.|TLS needs both",
        "serve: {key-file: k.pem}|serve.certificate-file|is missing.|TLS needs both",
        "clickhouse: {batch-bytes: 64M}|clickhouse.batch-bytes|is \"64M\", not a size.|(B, KiB, MiB, GiB). The default is 64MiB.",
        "clickhouse: {batch-bytes: 4GiB}|clickhouse.batch-bytes|is 4GiB, which is out of range.|Use a size from 1KiB to 1GiB",
        "clickhouse: {url: 'localhost:8123'}|clickhouse.url|\"localhost:8123\" does not begin with http:// or https://.|Use a URL http://HOST:PORT or https://HOST:PORT. The default is http://localhost:8123.",
        "clickhouse: {url: 'http://h'}|clickhouse.url|\"http://h\" has no host or no port.|The default is",
        "clickhouse: {url: 'http://h:1/db'}|clickhouse.url|\"http://h:1/db\" has a path.|The database has its own key.",
        "clickhouse: {url: 'http://h:1?a=b'}|clickhouse.url|\"http://h:1?a=b\" has a query or a fragment.|Remove it.",
        "clickhouse: {url: 'http://h h'}|clickhouse.url|is not a URL (Illegal character in authority).|The default is",
        "statistics: {zone: Europe/Berln}|statistics.zone|\"Europe/Berln\" is not a time zone.|Use an IANA time zone such as Europe/Berlin. The default is UTC. Did you mean Europe/Berlin?",
        "statistics: {zone: '+02:00'}|statistics.zone|is an offset, not a time zone: with it, days begin an hour early or late where clocks change.|The default is UTC.",
        "statistics: {crossover: last}|statistics.crossover|is \"last\", which is not one of its values.|Use one of exclude, first. The default is exclude.",
        "statistics: {population: exposures}|statistics.population|is \"exposures\", which is not one of its values.|Did you mean exposure?",
        "statistics: {metrics: []}|statistics.metrics|is an empty list, not a list with at least one element.|docs/configuration.md shows its form.",
        "statistics: {metrics: {}}|statistics.metrics|is a group of keys, not a list with at least one element.|docs/configuration.md shows its form.",
        "statistics: {metrics: [a]}|statistics.metrics[0]|is \"a\", not a group of keys.|docs/configuration.md shows its form.",
        "statistics: {metrics: [{name: a, kind: proportion}]}|statistics.metrics[0].event-type|is missing.|A metric needs a name, a kind and an event-type.",
        "statistics: {metrics: [{name: a, kind: mean, event-type: e}]}|statistics.metrics[0].property|is missing.|A mean needs the property",
        "statistics: {metrics: [{name: a, kind: proportion, event-type: e, property: p}]}|statistics.metrics[0].property|belongs to a mean or a ratio, and this is a proportion.|Remove it, or set kind: mean.",
        "statistics: {metrics: [{name: a, kind: count, event-type: e, property: p}]}|statistics.metrics[0].property|belongs to a mean or a ratio, and this is a count.|Remove it, or set kind: mean.",
        "statistics: {metrics: [{name: a, kind: median, event-type: e}]}|statistics.metrics[0].kind|is \"median\", which is not one of its values.|Use one of proportion, mean, count, ratio.",
        "statistics: {metrics: [{name: a, kind: ratio, event-type: e}]}|statistics.metrics[0].denominator|is missing.|A ratio needs the group denominator",
        "statistics: {metrics: [{name: a, kind: ratio, event-type: e, denominator: null}]}|statistics.metrics[0].denominator|is missing.|A ratio needs the group denominator",
        "statistics: {metrics: [{name: a, kind: ratio, event-type: e, denominator: f}]}|statistics.metrics[0].denominator|is \"f\", not a group of keys.|Write its keys below it",
        "statistics: {metrics: [{name: a, kind: ratio, event-type: e, denominator: {event-type: f, propertie: g}}]}|statistics.metrics[0].denominator.propertie|is not a key of statistics.metrics[0].denominator.|Did you mean property?",
        "statistics: {metrics: [{name: a, kind: ratio, event-type: e, denominator: {}}]}|statistics.metrics[0].denominator.event-type|is missing.|A denominator needs the events",
        "statistics: {metrics: [{name: a, kind: count, event-type: e, denominator: {event-type: f}}]}|statistics.metrics[0].denominator|belongs to a ratio, and this is a count.|Remove it, or set kind: ratio.",
        "statistics: {metrics: [{name: a, kind: proportion, event-type: e, cap: 1}]}|statistics.metrics[0].cap|has no meaning for a proportion|Remove it, or set kind: count.",
        "statistics: {metrics: [{name: a, kind: count, event-type: e, cap: 0}]}|statistics.metrics[0].cap|is 0, which is out of range.|Use a number above 0",
        "statistics: {metrics: [{name: a, kind: count, event-type: e, cap: 1e12}]}|statistics.metrics[0].cap|which is out of range.|Use a number above 0",
        "statistics: {metrics: [{name: a, kind: count, event-type: e, cap: 0.0000001}]}|statistics.metrics[0].cap|which is out of range.|at most six decimals",
        "statistics: {metrics: [{name: a, kind: count, event-type: e, cap: many}]}|statistics.metrics[0].cap|is \"many\", not a number.|Use a number above 0",
        "statistics: {metrics: [{name: a, kind: count, event-type: e, covariate: 0s}]}|statistics.metrics[0].covariate|is 0s, which is out of range.|Use a duration from 1ms to 36500d",
        "statistics: {metrics: [{name: a, kind: count, event-type: e, since: tomorrow}]}|statistics.metrics[0].since|is \"tomorrow\", not a day.|Use a day from 1900-01-01 to 2299-12-31",
        "statistics: {metrics: [{name: a, kind: count, event-type: e, since: 20261201}]}|statistics.metrics[0].since|is 20261201, not a day.|which begins in each experiment's zone, or null.",
        "statistics: {metrics: [{name: a, kind: count, event-type: e, since: 2026-02-30}]}|statistics.metrics[0].since|is \"2026-02-30\", not a day.|Use a day from 1900-01-01 to 2299-12-31",
        "statistics: {metrics: [{name: a, kind: count, event-type: e, since: 0001-01-01}]}|statistics.metrics[0].since|is 0001-01-01, which is out of range.|Use a day from 1900-01-01",
        "statistics: {metrics: [{name: a, kind: ratio, event-type: e, denominator: {event-type: f}, covariate: 14d}]}|statistics.metrics[0].covariate|is not computed for a ratio.|declare the numerator as a separate metric",
        "statistics: {metrics: [{name: a, kind: proportion, event-type: e}, {name: a, kind: proportion, event-type: f}]}|statistics.metrics[1].name|\"a\" is the name of another metric too.|Give each metric its own name.",
        "statistics: {metrics: [{name: a, kind: proportion, event-type: e, window: 0s}]}|statistics.metrics[0].window|is 0s, which is out of range.|Use a duration from 1ms to 36500d",
        "findings: {srm-alert-p: 1}|findings.srm-alert-p|is 1, which is out of range.|Use a number above 0 and below 1.",
        "findings: {srm-alert-p: low}|findings.srm-alert-p|is \"low\", not a number.|Use a number above 0 and below 1. The default is 0.001.",
        "delivery: {mode: at-least-once}|delivery.mode|is \"at-least-once\", which is not one of its values.|Use one of exactly-once, low-latency.",
        "[1]|the file|is not a group of keys.|Begin it with source:",
      })
  void errorNamesTheKeyTheProblemAndTheRemedy(
      String yaml, String path, String problem, String remedy) {
    List<ConfigurationError> errors = errors(yaml, SECRETS);
    assertThat(errors).hasSize(1);
    assertThat(errors.get(0).path()).isEqualTo(path);
    assertThat(errors.get(0).problem()).contains(problem);
    assertThat(errors.get(0).remedy()).contains(remedy);
  }

  @Test
  void allErrorsAreListedInTheOrderOfTheFile() {
    InvalidConfigurationException e =
        catchThrowableOfType(
            InvalidConfigurationException.class,
            () ->
                JobConfig.parse(
                    "etl.yaml",
                    """
                    source: {port: 0, hots: x}
                    clickhouse: {url: ftp://x:1}
                    statistics: {zone: Mars/Base}
                    """,
                    Map.of()));
    assertThat(e)
        .hasMessage(
            """
            etl.yaml has 6 errors; nothing was started:
              source.port: is 0, which is out of range. Use a whole number from 1 to 65535. The default is 5432.
              source.password: The environment variable EXPERIMENT_ETL_SOURCE_PASSWORD is not set. Set it for the JobManager and every TaskManager, or name a file with the key password-file.
              source.hots: is not a key of source. Remove it, or use one of type, host, port, database, schema, username, password-file, tls, publication, slot, heartbeat-interval, split-size, users-truncate, unstreamed-changes, tables. Did you mean host?
              clickhouse.url: "ftp://x:1" does not begin with http:// or https://. Use a URL http://HOST:PORT or https://HOST:PORT. The default is http://localhost:8123.
              clickhouse.password: The environment variable EXPERIMENT_ETL_CLICKHOUSE_PASSWORD is not set. Set it for the JobManager and every TaskManager, or name a file with the key password-file.
              statistics.zone: "Mars/Base" is not a time zone. Use an IANA time zone such as Europe/Berlin. The default is UTC.""");
  }

  @Test
  void environmentOverridesTheFile() {
    Map<String, String> environment = new HashMap<>(SECRETS);
    environment.put("EXPERIMENT_ETL_SOURCE_PORT", "6000");
    environment.put("EXPERIMENT_ETL_SOURCE_USERNAME", "0123");
    environment.put("EXPERIMENT_ETL_CLICKHOUSE_URL", "http://other:1");
    environment.put("EXPERIMENT_ETL_STATISTICS_CROSSOVER", "first");
    environment.put(
        "EXPERIMENT_ETL_STATISTICS_METRICS", "[{name: a, kind: proportion, event-type: e}]");
    JobConfig config = JobConfig.parse("file", "source: {port: 5000}", environment);
    assertThat(config.source().port()).isEqualTo(6000);
    assertThat(config.source().username()).isEqualTo("0123");
    assertThat(config.clickhouse().url()).isEqualTo("http://other:1");
    assertThat(config.statistics().crossover()).isEqualTo(CrossoverPolicy.FIRST);
    assertThat(config.statistics().metrics()).containsExactly(MetricConfig.proportion("a", "e"));
  }

  @Test
  void allErrorsOfAMetricAreListedTogether() {
    assertThat(
            errors(
                "statistics: {metrics: [{name: a, kind: proportion, event-type: e, property: p, cap: 0,"
                    + " denominator: {event-type: f, propertie: g}}, {name: b, kind: ratio, covariate: 1}]}",
                SECRETS))
        .extracting(ConfigurationError::path)
        .containsExactlyInAnyOrder(
            "statistics.metrics[0].property",
            "statistics.metrics[0].cap",
            "statistics.metrics[0].denominator",
            "statistics.metrics[0].denominator.propertie",
            "statistics.metrics[1].event-type",
            "statistics.metrics[1].covariate",
            "statistics.metrics[1].denominator");
  }

  @Test
  void environmentOverridesAKeyOfANestedGroup() {
    Map<String, String> environment = new HashMap<>(SECRETS);
    environment.put("EXPERIMENT_ETL_FINDINGS_HEALTH_FRESHNESS", "7m");
    assertThat(JobConfig.parse("file", "", environment).findings().health().freshness())
        .isEqualTo(Duration.ofMinutes(7));
    environment.put("EXPERIMENT_ETL_FINDINGS_HEALTH_FRESHNES", "7m");
    assertThat(errors("", environment))
        .extracting(ConfigurationError::path, ConfigurationError::problem)
        .containsExactly(
            tuple(
                "EXPERIMENT_ETL_FINDINGS_HEALTH_FRESHNES", "overrides no key of findings.health."));
  }

  @Test
  void errorOfAnOverrideNamesItsVariable() {
    Map<String, String> environment = new HashMap<>(SECRETS);
    environment.put("EXPERIMENT_ETL_SOURCE_PORT", "many");
    environment.put("EXPERIMENT_ETL_SOURCE_HOTS", "x");
    environment.put("EXPERIMENT_ETL_FINDINGS_GRACE", "[");
    assertThat(errors("", environment))
        .extracting(ConfigurationError::path, ConfigurationError::problem)
        .satisfiesExactly(
            e ->
                assertThat(e.toList())
                    .containsExactly(
                        "source.port (by EXPERIMENT_ETL_SOURCE_PORT)",
                        "is \"many\", not a whole number."),
            e ->
                assertThat(e.toList())
                    .containsExactly("EXPERIMENT_ETL_SOURCE_HOTS", "overrides no key of source."),
            e ->
                assertThat(e.toList().toString())
                    .startsWith("[findings.grace (by EXPERIMENT_ETL_FINDINGS_GRACE), is not YAML"));
  }

  @Test
  void secretInTheFileIsRefusedAndNotPrinted() {
    InvalidConfigurationException e =
        catchThrowableOfType(
            InvalidConfigurationException.class,
            () -> JobConfig.parse("file", "source: {password: swordfish}", SECRETS));
    assertThat(e.errors())
        .containsExactly(
            new ConfigurationError(
                "source.password",
                "is in the file, where a secret does not belong.",
                "Remove it, change the password, and set the environment variable"
                    + " EXPERIMENT_ETL_SOURCE_PASSWORD or the key source.password-file."));
    assertThat(e).hasMessageNotContaining("swordfish");
  }

  @Test
  void syntaxErrorHasALineNumberAndNoLineOfTheFile() {
    InvalidConfigurationException e =
        catchThrowableOfType(
            InvalidConfigurationException.class,
            () -> JobConfig.parse("file", "source:\n  password: swordfish\n bad: [\n", SECRETS));
    assertThat(e.errors()).hasSize(1);
    assertThat(e.errors().get(0).path()).startsWith("line 3");
    assertThat(e).hasMessageNotContaining("swordfish").hasMessageContaining("is not YAML");
  }

  @Test
  void duplicateKeyIsAnError() {
    assertThat(errors("source: {port: 1, port: 2}", SECRETS))
        .singleElement()
        .satisfies(e -> assertThat(e.problem()).contains("has the key port a second time"));
  }

  @Test
  void errorNamesAMissingFile() {
    assertThatThrownBy(() -> JobConfig.load(folder.resolve("none.yaml"), SECRETS))
        .isInstanceOf(InvalidConfigurationException.class)
        .hasMessageContaining("none.yaml: does not exist.")
        .hasMessageContaining("--config");
  }

  @Test
  void passwordFileIsReadOnUseAndNeverPrinted() throws Exception {
    Path secret = Files.writeString(folder.resolve("secret"), PASSWORD + "\n");
    Path file =
        Files.writeString(
            folder.resolve("etl.yaml"), "source: {password-file: '" + secret + "'}\n");
    JobConfig config = JobConfig.load(file, SECRETS);
    assertThat(config.source().password().value()).isEqualTo(PASSWORD);
    assertThat(config.toString()).contains("secret of file").doesNotContain("hunter2");

    Files.writeString(secret, "");
    assertThat(errors(Files.readString(file), SECRETS))
        .containsExactly(
            new ConfigurationError(
                "source.password-file",
                "The secret's file " + secret + " is empty.",
                "Write the secret into it."));
    Files.delete(secret);
    assertThatThrownBy(() -> config.source().password().value())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("cannot be read (NoSuchFileException)");
  }

  @Test
  void serializedConfigurationContainsNoSecret() throws Exception {
    JobConfig config = parse("");
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
      out.writeObject(config);
    }
    assertThat(bytes.toString(StandardCharsets.ISO_8859_1)).doesNotContain("hunter2");
    try (ObjectInputStream in =
        new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
      assertThat(in.readObject()).isEqualTo(config);
    }
  }

  private static JobConfig parse(String yaml) {
    return JobConfig.parse("file", yaml, SECRETS);
  }

  private static List<ConfigurationError> errors(String yaml, Map<String, String> environment) {
    return catchThrowableOfType(
            InvalidConfigurationException.class, () -> JobConfig.parse("file", yaml, environment))
        .errors();
  }

  private static String documented() throws IOException {
    try (InputStream in = JobConfig.class.getResourceAsStream("/experiment-etl.yaml")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  @Test
  void kafkaPropertiesTakeNoSecretsAndNoSettingsOfTheJob() {
    assertThatThrownBy(
            () ->
                parse(
                    """
                    kafka:
                      properties:
                        acks: 0
                        ssl.keystore.password: hunter2
                        sasl.jaas.config: ${file:/etc/kafka.secret:jaas}
                        nested: {a: b}
                      findings-topic: "a/b"
                      transaction-timeout: 1s
                    outbox: {enabled: maybe, aggregate-types: ["event", "../x"], event-types: purchase}
                    """))
        .hasMessageContaining("has 8 errors")
        .hasMessageContaining("kafka.properties.acks: is set by the job")
        .hasMessageContaining("kafka.properties.ssl.keystore.password: is a secret")
        .hasMessageContaining("kafka.properties.nested: is a group of keys, not a string.")
        .hasMessageContaining("kafka.findings-topic: \"a/b\" is not a name of at most 120 letters")
        .hasMessageContaining("kafka.transaction-timeout: is 1s, which is out of range.")
        .hasMessageContaining(
            "outbox.enabled: is \"maybe\", not true or false. Use true or false. The default is false.")
        .hasMessageContaining(
            "outbox.aggregate-types[1]: \"../x\" is not a name of at most 120 letters")
        .hasMessageContaining("outbox.event-types: is \"purchase\", not a list.")
        .hasMessageNotContaining("hunter2");
  }

  @Test
  void kafkaSourceRefusesLowLatencyDelivery() {
    assertThatThrownBy(() -> parse("{source: {type: kafka}, delivery: {mode: low-latency}}"))
        .hasMessageContaining("delivery.mode: is low-latency, but source.type is kafka");
  }
}
