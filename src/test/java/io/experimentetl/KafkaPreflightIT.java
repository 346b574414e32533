package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.JobConfig;
import io.experimentetl.config.KafkaConfig;
import io.experimentetl.config.OutboxConfig;
import io.experimentetl.config.SourceType;
import io.experimentetl.config.StateConfig;
import io.experimentetl.local.PlatformExtension;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

class KafkaPreflightIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @TempDir private Path folder;

  private static JobConfig with(JobConfig config, KafkaConfig kafka, OutboxConfig outbox) {
    return new JobConfig(
        config.source(),
        config.clickhouse(),
        config.statistics(),
        config.findings(),
        config.delivery(),
        kafka,
        outbox,
        StateConfig.defaults());
  }

  @Test
  void whatIsWrongWithKafkaIsListedTogetherAndWhatIsNotUsedIsNotLookedAt() throws Exception {
    try (KafkaJob job = new KafkaJob(PLATFORM, folder, SourceType.POSTGRES)) {
      assertThat(KafkaPreflight.check(job.config, false)).isEmpty();

      KafkaConfig kafka = job.config.kafka();
      KafkaConfig wrong =
          new KafkaConfig(
              kafka.bootstrapServers(),
              kafka.properties(),
              kafka.sourceTopicPrefix(),
              "no-such-topic",
              null,
              Duration.ofHours(1));
      OutboxConfig outbox =
          new OutboxConfig(
              true,
              job.config.outbox().topicPrefix(),
              List.of("event", "invoice"),
              List.of(),
              Duration.ofSeconds(1),
              Duration.ofSeconds(1));
      job.execute("ALTER TABLE outbox_events RENAME processed_at TO done_at");
      assertThat(KafkaPreflight.check(with(job.config, wrong, outbox), false))
          .satisfiesExactly(
              problem ->
                  assertThat(problem)
                      .contains("outbox.invoice is missing on Kafka", "outbox.aggregate-types"),
              problem ->
                  assertThat(problem)
                      .contains("no-such-topic is missing", "kafka.findings-topic: null"),
              problem ->
                  assertThat(problem).contains("900000 ms at most", "kafka.transaction-timeout"),
              problem ->
                  assertThat(problem).contains("no outbox_events with the column processed_at"));

      KafkaConfig nowhere =
          new KafkaConfig(
              "127.0.0.1:1", new TreeMap<>(), "", "findings", null, Duration.ofMinutes(1));
      assertThat(KafkaPreflight.check(with(job.config, nowhere, OutboxConfig.defaults()), false))
          .singleElement()
          .asString()
          .contains("Kafka 127.0.0.1:1 cannot be used", "kafka.bootstrap-servers");
      assertThat(
              KafkaPreflight.check(
                  with(
                      job.config,
                      new KafkaConfig(
                          "127.0.0.1:1", new TreeMap<>(), "", null, null, Duration.ofMinutes(1)),
                      OutboxConfig.defaults()),
                  false))
          .isEmpty();
    }
  }

  @Test
  void theJobsRoleMayAcknowledge() throws Exception {
    try (KafkaJob job = new KafkaJob(PLATFORM, folder, SourceType.POSTGRES)) {
      job.execute(
          "DO $$ BEGIN IF NOT has_column_privilege('experiment_etl', 'outbox_events', 'processed_at', 'UPDATE')"
              + " OR has_column_privilege('experiment_etl', 'outbox_events', 'payload', 'UPDATE')"
              + " THEN RAISE 'wrong rights'; END IF; END $$");
    }
  }
}
