package io.experimentetl.clickhouse;

import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import java.io.IOException;
import java.net.URL;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Random;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.CommitterInitContext;
import org.apache.flink.api.connector.sink2.CommittingSinkWriter;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SupportsCommitter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.connector.testframe.environment.MiniClusterTestEnvironment;
import org.apache.flink.connector.testframe.external.ExternalContextFactory;
import org.apache.flink.connector.testframe.external.ExternalSystemDataReader;
import org.apache.flink.connector.testframe.external.sink.DataStreamSinkV2ExternalContext;
import org.apache.flink.connector.testframe.external.sink.TestingSinkSettings;
import org.apache.flink.connector.testframe.junit.annotations.TestContext;
import org.apache.flink.connector.testframe.junit.annotations.TestEnv;
import org.apache.flink.connector.testframe.junit.annotations.TestSemantics;
import org.apache.flink.connector.testframe.testsuites.SinkTestSuiteBase;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.streaming.api.connector.sink2.CommittableMessage;
import org.apache.flink.streaming.api.connector.sink2.SupportsPreCommitTopology;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Flink's test suite for sinks: basic, from a savepoint, scaled up and down, metrics. */
class ClickHouseSinkSuiteIT extends SinkTestSuiteBase<String> {

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @TestSemantics final CheckpointingMode[] semantics = {CheckpointingMode.EXACTLY_ONCE};

  @TestEnv final MiniClusterTestEnvironment flink = new MiniClusterTestEnvironment();

  @TestContext
  final ExternalContextFactory<WordsTable> contexts =
      test -> new WordsTable(PLATFORM.newClickHouseDatabase("suite"));

  /** The table of one test: a plain MergeTree, which keeps doubled rows. */
  static final class WordsTable implements DataStreamSinkV2ExternalContext<String> {
    private final ClickHouseEndpoint database;
    private final ClickHouseConnection connection;

    WordsTable(ClickHouseEndpoint database) {
      this.database = database;
      this.connection = Reading.createTables(database, 100);
      database.query(
          "CREATE TABLE words (word String, _batch_id LowCardinality(String)) ENGINE = MergeTree"
              + " ORDER BY word SETTINGS non_replicated_deduplication_window = 100");
    }

    @Override
    public Sink<String> createSink(TestingSinkSettings settings) {
      return new WithoutMarkers(
          ClickHouseSink.builder(new Words())
              .connection(connection)
              .limits(BatchLimits.DEFAULT.withRows(20))
              .build());
    }

    @Override
    public ExternalSystemDataReader<String> createSinkDataReader(TestingSinkSettings settings) {
      return new Reader(database);
    }

    @Override
    public List<String> generateTestData(TestingSinkSettings settings, long seed) {
      Random random = new Random(seed);
      List<String> words = new ArrayList<>();
      for (int i = 0; i < 250; i++) {
        words.add(i + "-" + random.nextLong());
      }
      return words;
    }

    @Override
    public TypeInformation<String> getProducedType() {
      return Types.STRING;
    }

    @Override
    public List<URL> getConnectorJarPaths() {
      return List.of();
    }

    @Override
    public void close() {
      database.query("DROP DATABASE " + database.database());
    }
  }

  private static final class Reader implements ExternalSystemDataReader<String> {
    private final ClickHouseEndpoint database;
    private final List<String> seen = new ArrayList<>();

    Reader(ClickHouseEndpoint database) {
      this.database = database;
    }

    @Override
    public List<String> poll(Duration timeout) {
      List<String> rows =
          new ArrayList<>(database.query("SELECT word FROM words").lines().toList());
      seen.forEach(rows::remove);
      seen.addAll(rows);
      return rows;
    }

    @Override
    public void close() {}
  }

  private static final class Words implements RowEncoder<String> {
    @Override
    public TableSchema schema() {
      return TableSchema.of("words").column("word", "String");
    }

    @Override
    public long partition(String row) {
      return 0;
    }

    @Override
    public void encode(String row, NativeWriter out) {
      out.writeString(row);
    }
  }

  /** The suite's streams contain rows only. */
  private static final class WithoutMarkers
      implements WriterSink<String>,
          SupportsCommitter<Committable>,
          SupportsPreCommitTopology<Committable, Committable> {
    private final ClickHouseSink<String> sink;

    WithoutMarkers(ClickHouseSink<String> sink) {
      this.sink = sink;
    }

    @Override
    public CommittingSinkWriter<String, Committable> createWriter(WriterInitContext context)
        throws IOException {
      CommittingSinkWriter<Either<ProgressMarker, String>, Committable> writer =
          sink.createWriter(context);
      return new CommittingSinkWriter<>() {
        @Override
        public void write(String row, Context rowContext) throws IOException, InterruptedException {
          writer.write(Either.Right(row), rowContext);
        }

        @Override
        public void flush(boolean endOfInput) throws IOException, InterruptedException {
          writer.flush(endOfInput);
        }

        @Override
        public Collection<Committable> prepareCommit() throws IOException, InterruptedException {
          return writer.prepareCommit();
        }

        @Override
        public void close() throws Exception {
          writer.close();
        }
      };
    }

    @Override
    public Committer<Committable> createCommitter(CommitterInitContext context) throws IOException {
      return sink.createCommitter(context);
    }

    @Override
    public SimpleVersionedSerializer<Committable> getCommittableSerializer() {
      return sink.getCommittableSerializer();
    }

    @Override
    public SimpleVersionedSerializer<Committable> getWriteResultSerializer() {
      return sink.getWriteResultSerializer();
    }

    @Override
    public DataStream<CommittableMessage<Committable>> addPreCommitTopology(
        DataStream<CommittableMessage<Committable>> committables) {
      DataStream<CommittableMessage<Committable>> sealed = sink.addPreCommitTopology(committables);
      // The suite sets no uid for the sink, and Flink then allows none for its parts.
      sealed.getTransformation().setUid(null);
      return sealed;
    }
  }
}
