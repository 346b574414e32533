package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.KafkaConfig;
import io.experimentetl.config.OutboxConfig;
import io.experimentetl.config.SourceType;
import io.experimentetl.local.PlatformExtension;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

class KafkaPreflightIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @TempDir private Path folder;

  @Test
  void preflightListsAllProblemsOfTheUsedPartsOfKafka() throws Exception {
    try (KafkaJob job = new KafkaJob(PLATFORM, folder, SourceType.POSTGRES)) {
      assertThat(KafkaPreflight.check(job.config, false)).isEmpty();

      JobConfig wrong =
          ConfigBuilder.from(job.config)
              .with(KafkaConfig::findingsTopic, "no-such-topic")
              .with(KafkaConfig::transactionTimeout, Duration.ofHours(1))
              .with(OutboxConfig::aggregateTypes, List.of("event", "invoice"))
              .build();
      job.execute("ALTER TABLE outbox_events RENAME processed_at TO done_at");
      assertThat(KafkaPreflight.check(wrong, false))
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

      ConfigBuilder nowhere =
          ConfigBuilder.from(job.config)
              .with(KafkaConfig::bootstrapServers, "127.0.0.1:1")
              .with(OutboxConfig::enabled, false);
      assertThat(KafkaPreflight.check(nowhere.build(), false))
          .singleElement()
          .asString()
          .contains("Kafka 127.0.0.1:1 cannot be used", "kafka.bootstrap-servers");
      JobConfig unused = nowhere.with(KafkaConfig::findingsTopic, null).build();
      assertThat(KafkaPreflight.check(unused, false)).isEmpty();
    }
  }

  @Test
  void jobRoleMayAcknowledgeOutboxRows() throws Exception {
    try (KafkaJob job = new KafkaJob(PLATFORM, folder, SourceType.POSTGRES)) {
      job.execute(
          "DO $$ BEGIN IF NOT has_column_privilege('experiment_etl', 'outbox_events', 'processed_at', 'UPDATE')"
              + " OR has_column_privilege('experiment_etl', 'outbox_events', 'payload', 'UPDATE')"
              + " THEN RAISE 'wrong rights'; END IF; END $$");
    }
  }
}
