package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.typeutils.EitherTypeInfo;
import org.apache.flink.api.java.typeutils.ResultTypeQueryable;
import org.apache.flink.api.java.typeutils.TupleTypeInfo;
import org.apache.flink.connector.base.source.reader.SingleThreadMultiplexSourceReaderBase;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.types.Either;
import org.apache.kafka.common.TopicPartition;

/**
 * Reads Debezium's topics as one stream in commit order: a row's key, and its change without a
 * sequence number. Flink's own Kafka source reads each partition separately and would lose the
 * order across tables, by which an erasure is recognised.
 */
final class DebeziumTopicsSource
    implements Source<Tuple2<String, Either<SchemaDrift, Change>>, TopicsSplit, Boolean>,
        ResultTypeQueryable<Tuple2<String, Either<SchemaDrift, Change>>> {
  private static final long serialVersionUID = 1L;

  static final TypeInformation<Tuple2<String, Either<SchemaDrift, Change>>> TYPE =
      new TupleTypeInfo<>(
          Types.STRING,
          new EitherTypeInfo<>(TypeInformation.of(SchemaDrift.class), ChangeTypeInfo.INSTANCE));

  private final KafkaSourceSettings settings;

  DebeziumTopicsSource(KafkaSourceSettings settings) {
    this.settings = settings;
  }

  @Override
  public Boundedness getBoundedness() {
    return Boundedness.CONTINUOUS_UNBOUNDED;
  }

  @Override
  public TypeInformation<Tuple2<String, Either<SchemaDrift, Change>>> getProducedType() {
    return TYPE;
  }

  @Override
  public SourceReader<Tuple2<String, Either<SchemaDrift, Change>>, TopicsSplit> createReader(
      SourceReaderContext context) {
    return new Reader(settings, context);
  }

  @Override
  public SplitEnumerator<TopicsSplit, Boolean> createEnumerator(
      SplitEnumeratorContext<TopicsSplit> context) {
    return new Enumerator(context, new TopicsSplit(Map.of()));
  }

  @Override
  public SplitEnumerator<TopicsSplit, Boolean> restoreEnumerator(
      SplitEnumeratorContext<TopicsSplit> context, Boolean assigned) {
    return new Enumerator(context, assigned ? null : new TopicsSplit(Map.of()));
  }

  @Override
  public SimpleVersionedSerializer<TopicsSplit> getSplitSerializer() {
    return new TopicsSplit.Serializer();
  }

  @Override
  public SimpleVersionedSerializer<Boolean> getEnumeratorCheckpointSerializer() {
    return new AssignedSerializer();
  }

  /** Assigns the only split to the only reader. */
  private static final class Enumerator implements SplitEnumerator<TopicsSplit, Boolean> {
    private final SplitEnumeratorContext<TopicsSplit> context;

    /** Null: the reader has it. */
    private TopicsSplit unassigned;

    private Enumerator(SplitEnumeratorContext<TopicsSplit> context, TopicsSplit unassigned) {
      this.context = context;
      this.unassigned = unassigned;
    }

    @Override
    public void start() {}

    @Override
    public void handleSplitRequest(int subtask, String host) {}

    @Override
    public void addSplitsBack(List<TopicsSplit> splits, int subtask) {
      for (TopicsSplit split : splits) {
        unassigned = split;
      }
    }

    @Override
    public void addReader(int subtask) {
      if (unassigned != null) {
        context.assignSplit(unassigned, subtask);
        unassigned = null;
      }
    }

    @Override
    public Boolean snapshotState(long checkpointId) {
      return unassigned == null;
    }

    @Override
    public void close() {}
  }

  private static final class AssignedSerializer implements SimpleVersionedSerializer<Boolean> {
    @Override
    public int getVersion() {
      return 1;
    }

    @Override
    public byte[] serialize(Boolean assigned) {
      return new byte[] {(byte) (assigned ? 1 : 0)};
    }

    @Override
    public Boolean deserialize(int version, byte[] serialized) throws IOException {
      return serialized[0] == 1;
    }
  }

  private static final class Reader
      extends SingleThreadMultiplexSourceReaderBase<
          DebeziumRecord,
          Tuple2<String, Either<SchemaDrift, Change>>,
          TopicsSplit,
          Map<TopicPartition, Long>> {

    private Reader(KafkaSourceSettings settings, SourceReaderContext context) {
      super(
          () -> new TopicsReader(settings),
          (record, output, next) -> {
            next.put(record.partition(), record.offset() + 1);
            for (SchemaDrift drift : record.drifts()) {
              output.collect(Tuple2.of(record.key(), Either.Left(drift)));
            }
            if (record.change() != null) {
              output.collect(Tuple2.of(record.key(), Either.Right(record.change())));
            }
          },
          context.getConfiguration(),
          context);
    }

    @Override
    protected void onSplitFinished(Map<String, Map<TopicPartition, Long>> finished) {
      throw new IllegalStateException("The topics have no end.");
    }

    @Override
    protected Map<TopicPartition, Long> initializedState(TopicsSplit split) {
      return new HashMap<>(split.next());
    }

    @Override
    protected TopicsSplit toSplitType(String id, Map<TopicPartition, Long> next) {
      return new TopicsSplit(new HashMap<>(next));
    }
  }
}
