package io.experimentetl.bench;

import io.experimentetl.local.PlatformException;
import io.experimentetl.local.demo.Pause;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.LongAdder;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.cdc.connectors.base.options.StartupOptions;
import org.apache.flink.cdc.connectors.postgres.source.PostgresSourceBuilder.PostgresIncrementalSource;
import org.apache.flink.cdc.debezium.DebeziumDeserializationSchema;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;
import org.apache.kafka.connect.source.SourceRecord;

/**
 * Runs Flink CDC's source without any further operator, for comparison with the job. The
 * environment contains the database; every tenth of a second, standard output gets a line with the
 * number of rows read so far.
 */
public final class BareSourceMain {
  private static final LongAdder ROWS = new LongAdder();

  private BareSourceMain() {}

  public static void main(String[] arguments) throws Exception {
    Map<String, String> environment = System.getenv();
    Properties debezium = new Properties();
    debezium.setProperty("publication.name", "experiment_etl");
    debezium.setProperty("publication.autocreate.mode", "disabled");
    // The settings of the job, because the comparison is about the operators after the source.
    debezium.setProperty("poll.interval.ms", "10");
    debezium.setProperty("max.batch.size", "8192");
    debezium.setProperty("max.queue.size", "32768");
    StreamExecutionEnvironment flink = StreamExecutionEnvironment.getExecutionEnvironment();
    flink.setParallelism(1);
    flink.enableCheckpointing(10_000);
    flink
        .fromSource(
            PostgresIncrementalSource.<Long>builder()
                .hostname(environment.get("BENCH_HOST"))
                .port(Integer.parseInt(environment.get("BENCH_PORT")))
                .database(environment.get("BENCH_DATABASE"))
                .schemaList("public")
                .tableList("public.events")
                .username(environment.get("BENCH_USER"))
                .password(environment.get("BENCH_PASSWORD"))
                .slotName(environment.get("BENCH_SLOT"))
                .decodingPluginName("pgoutput")
                .startupOptions(StartupOptions.latest())
                .includePartitionedTables(true)
                .debeziumProperties(debezium)
                .deserializer(new CountRows())
                .build(),
            WatermarkStrategy.noWatermarks(),
            "postgres-changes")
        .sinkTo(new DiscardingSink<>());
    JobClient job = flink.executeAsync("bare-source");
    while (!job.getJobStatus().get().isGloballyTerminalState()) {
      System.out.println(ROWS.sum());
      if (System.out.checkError()) {
        // The bench is gone, and nobody would stop this process.
        Runtime.getRuntime().halt(1);
      }
      Pause.of(java.time.Duration.ofMillis(100));
    }
    throw new PlatformException("the bare source ended: " + job.getJobStatus().get());
  }

  /** Emits one number per row. */
  private static final class CountRows implements DebeziumDeserializationSchema<Long> {
    private static final long serialVersionUID = 1L;

    @Override
    public void deserialize(SourceRecord row, Collector<Long> out) {
      if (row.topic().endsWith(".events")) {
        ROWS.increment();
        out.collect(1L);
      }
    }

    @Override
    public TypeInformation<Long> getProducedType() {
      return Types.LONG;
    }
  }
}
