package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.attribution.AttributeProgress;
import io.experimentetl.attribution.ExperimentDimension;
import io.experimentetl.attribution.UserState;
import io.experimentetl.attribution.VariantDimension;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.KafkaConfig;
import io.experimentetl.config.OutboxConfig;
import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.DailyContribution;
import io.experimentetl.model.DailyStats;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.ExperimentHealth;
import io.experimentetl.model.Finding;
import io.experimentetl.model.HealthContribution;
import io.experimentetl.outbox.OutboxMessage;
import io.experimentetl.outbox.OutboxState;
import io.experimentetl.stats.DailyState;
import io.experimentetl.stats.ExperimentRun;
import io.experimentetl.stats.HealthState;
import io.experimentetl.stats.VariantWeight;
import io.experimentetl.warehouse.Warehouse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.ExecutionConfig;
import org.apache.flink.api.common.serialization.SerializerConfig;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.runtime.jobgraph.JobGraph;
import org.apache.flink.runtime.jobgraph.JobVertex;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ExperimentEtlPipelineTest {
  private static final JobConfig CONFIG = ConfigBuilder.defaults().build();
  private static final JobConfig WITH_KAFKA =
      ConfigBuilder.defaults()
          .with(KafkaConfig::bootstrapServers, "localhost:1")
          .with(KafkaConfig::findingsTopic, "findings")
          .with(KafkaConfig::transactionTimeout, Duration.ofMinutes(1))
          .with(OutboxConfig::enabled, true)
          .with(OutboxConfig::aggregateTypes, List.of("event"))
          .with(OutboxConfig::eventTypes, List.of("purchase"))
          .with(OutboxConfig::stuckAfter, Duration.ofMinutes(1))
          .build();

  private static StreamExecutionEnvironment environment(Map<String, String> flink) {
    Configuration configuration = new Configuration();
    configuration.setString("execution.checkpointing.interval", "5 s");
    flink.forEach(configuration::setString);
    return StreamExecutionEnvironment.createLocalEnvironment(2, configuration);
  }

  private static JobGraph graph() {
    return graph(CONFIG);
  }

  private static JobGraph graph(JobConfig config) {
    StreamExecutionEnvironment environment = environment(Map.of());
    assertThat(ExperimentEtlPipeline.configure(environment)).isEmpty();
    ExperimentEtlPipeline.build(
        config,
        ExperimentEtlJob.source(config, environment, null),
        Warehouse.of(config, environment.getConfiguration()).sinks(),
        KafkaSinks.of(config));
    return environment.getStreamGraph().getJobGraph();
  }

  @Test
  void everyOperatorHasAUidAndTheNameFromTheReadme() {
    List<String> names = new ArrayList<>();
    for (JobVertex vertex : graph().getVerticesSortedTopologicallyFromSources()) {
      names.add(vertex.getName());
    }
    assertThat(names.get(0))
        .startsWith("Source: postgres-changes -> source-watch -> continuity -> route");
    assertThat(String.join("\n", names))
        .contains(
            "attribute",
            "daily-stats",
            "experiment-health",
            "events_processed",
            "assignments_processed",
            "experiments",
            "variants",
            "users",
            "experiment_daily_stats",
            "experiment_health_daily",
            "experiment_allocations",
            "data_inconsistencies");
  }

  @Test
  void kafkaOperatorsExistWhereConfigured() {
    assertThat(names(CONFIG)).doesNotContain("outbox", "findings-topic", "checked-events");
    assertThat(names(WITH_KAFKA))
        .contains(
            "checked-events",
            "outbox-relay",
            "outbox: Writer",
            "outbox: Committer",
            "outbox-committed",
            "outbox-acknowledged",
            "findings-topic: Writer");
  }

  private static String names(JobConfig config) {
    StringBuilder names = new StringBuilder();
    graph(config).getVertices().forEach(vertex -> names.append(vertex.getName()).append('\n'));
    return names.toString();
  }

  @Test
  void maximumParallelismIsFixed() {
    for (JobVertex vertex : graph(WITH_KAFKA).getVertices()) {
      assertThat(vertex.getMaxParallelism()).as(vertex.getName()).isIn(1, 128);
    }
  }

  @ParameterizedTest
  @ValueSource(
      classes = {
        ProgressMarker.class,
        EventProcessed.class,
        AssignmentProcessed.class,
        DailyContribution.class,
        HealthContribution.class,
        DailyStats.class,
        ExperimentHealth.class,
        Finding.class,
        UserState.class,
        AttributeProgress.class,
        ExperimentDimension.class,
        VariantDimension.class,
        DailyState.class,
        HealthState.class,
        ExperimentRun.class,
        OutboxMessage.class,
        OutboxState.class,
        VariantWeight.class
      })
  void recordsOnTheWireAndInStateNeedNoKryo(Class<?> record) {
    TypeInformation.of(record).createSerializer(withoutGenericTypes());
  }

  record OfAList(List<String> list) {}

  @Test
  void recordThatNeedsKryoIsRefused() {
    assertThatThrownBy(
            () -> TypeInformation.of(OfAList.class).createSerializer(withoutGenericTypes()))
        .isInstanceOf(UnsupportedOperationException.class)
        .hasMessageContaining("Generic types have been disabled");
  }

  private static SerializerConfig withoutGenericTypes() {
    Configuration configuration = new Configuration();
    configuration.set(PipelineOptions.GENERIC_TYPES, false);
    return new ExecutionConfig(configuration).getSerializerConfig();
  }

  @Test
  void jobWithoutCheckpointsIsRefused() {
    assertThat(
            ExperimentEtlPipeline.configure(
                StreamExecutionEnvironment.createLocalEnvironment(1, new Configuration())))
        .singleElement()
        .asString()
        .contains("Checkpointing is off", "execution.checkpointing.interval");
  }

  @Test
  void unalignedOrAtLeastOnceCheckpointsAreRefused() {
    assertThat(
            ExperimentEtlPipeline.configure(
                environment(Map.of("execution.checkpointing.unaligned.enabled", "true"))))
        .singleElement()
        .asString()
        .contains("unaligned");
    assertThat(
            ExperimentEtlPipeline.configure(
                environment(Map.of("execution.checkpointing.mode", "AT_LEAST_ONCE"))))
        .singleElement()
        .asString()
        .contains("at-least-once");
  }
}
