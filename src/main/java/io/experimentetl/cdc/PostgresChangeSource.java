package io.experimentetl.cdc;

import io.debezium.relational.TableId;
import io.debezium.relational.history.TableChanges.TableChange;
import io.experimentetl.model.Change;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceOutput;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.java.typeutils.ResultTypeQueryable;
import org.apache.flink.cdc.connectors.base.config.JdbcSourceConfig;
import org.apache.flink.cdc.connectors.base.config.SourceConfig;
import org.apache.flink.cdc.connectors.base.source.assigner.HybridSplitAssigner;
import org.apache.flink.cdc.connectors.base.source.assigner.splitter.ChunkSplitter;
import org.apache.flink.cdc.connectors.base.source.assigner.state.ChunkSplitterState;
import org.apache.flink.cdc.connectors.base.source.assigner.state.HybridPendingSplitsState;
import org.apache.flink.cdc.connectors.base.source.assigner.state.PendingSplitsState;
import org.apache.flink.cdc.connectors.base.source.enumerator.IncrementalSourceEnumerator;
import org.apache.flink.cdc.connectors.base.source.meta.offset.Offset;
import org.apache.flink.cdc.connectors.base.source.meta.offset.OffsetFactory;
import org.apache.flink.cdc.connectors.base.source.meta.split.SourceRecords;
import org.apache.flink.cdc.connectors.base.source.meta.split.SourceSplitBase;
import org.apache.flink.cdc.connectors.base.source.meta.split.SourceSplitState;
import org.apache.flink.cdc.connectors.base.source.metrics.SourceReaderMetrics;
import org.apache.flink.cdc.connectors.base.source.reader.IncrementalSourceRecordEmitter;
import org.apache.flink.cdc.connectors.base.source.reader.external.FetchTask;
import org.apache.flink.cdc.connectors.base.source.reader.external.JdbcSourceFetchTaskContext;
import org.apache.flink.cdc.connectors.postgres.source.PostgresDialect;
import org.apache.flink.cdc.connectors.postgres.source.PostgresSourceBuilder;
import org.apache.flink.cdc.connectors.postgres.source.PostgresSourceBuilder.PostgresIncrementalSource;
import org.apache.flink.cdc.connectors.postgres.source.config.PostgresSourceConfig;
import org.apache.flink.cdc.connectors.postgres.source.config.PostgresSourceConfigFactory;
import org.apache.flink.cdc.connectors.postgres.source.offset.PostgresOffsetFactory;
import org.apache.flink.connector.base.source.reader.RecordEmitter;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.types.Either;
import org.apache.flink.util.FlinkRuntimeException;
import org.apache.kafka.connect.source.SourceRecord;

/**
 * The connector's source, built where it runs. The job graph holds only the settings: the
 * connector's own source object carries the password.
 */
final class PostgresChangeSource
    implements Source<Either<ReaderNotice, Change>, SourceSplitBase, PendingSplitsState>,
        ResultTypeQueryable<Either<ReaderNotice, Change>> {
  private static final long serialVersionUID = 1L;

  private final PostgresSourceSettings settings;
  private transient Connected connected;

  PostgresChangeSource(PostgresSourceSettings settings) {
    this.settings = settings;
  }

  private Connected connected() {
    if (connected == null) {
      connected = connect(settings);
    }
    return connected;
  }

  /** The connector itself never connects: it needs no password, and it logs its settings. */
  private static Connected connect(PostgresSourceSettings settings) {
    PostgresSourceBuilder<Either<ReaderNotice, Change>> builder =
        PostgresIncrementalSource.<Either<ReaderNotice, Change>>builder()
            .hostname(settings.host())
            .port(settings.port())
            .database(settings.database())
            .username(settings.username())
            .password("")
            .decodingPluginName("pgoutput")
            .slotName(settings.slot())
            // Backfill loses updates of transactions that are open at a chunk's end.
            .skipSnapshotBackfill(true)
            // The option would reverse the order of the chunks.
            .assignUnboundedChunkFirst(false)
            // A job restored from one of the last checkpoints must find its position in the slot.
            .lsnCommitCheckpointsDelay(3);
    PostgresSourceConfigFactory factory = builder.getConfigFactory();
    return new Connected(factory, new Dialect(factory.create(0), settings));
  }

  @Override
  public Boundedness getBoundedness() {
    return Boundedness.CONTINUOUS_UNBOUNDED;
  }

  @Override
  public TypeInformation<Either<ReaderNotice, Change>> getProducedType() {
    return ReaderNotice.OR_CHANGE;
  }

  // The connector's reader is declared without its type arguments.
  @Override
  @SuppressWarnings("unchecked")
  public SourceReader<Either<ReaderNotice, Change>, SourceSplitBase> createReader(
      SourceReaderContext context) throws Exception {
    prepare(false);
    return new JudgedReader(connected.createReader(context), new SourceFailure(settings));
  }

  @Override
  public SplitEnumerator<SourceSplitBase, PendingSplitsState> createEnumerator(
      SplitEnumeratorContext<SourceSplitBase> context) throws Exception {
    prepare(true);
    return connected.enumerator(context);
  }

  @Override
  public SplitEnumerator<SourceSplitBase, PendingSplitsState> restoreEnumerator(
      SplitEnumeratorContext<SourceSplitBase> context, PendingSplitsState checkpoint)
      throws Exception {
    prepare(true);
    return connected.enumerator(context, checkpoint);
  }

  @Override
  public SimpleVersionedSerializer<SourceSplitBase> getSplitSerializer() {
    return connected().getSplitSerializer();
  }

  @Override
  public SimpleVersionedSerializer<PendingSplitsState> getEnumeratorCheckpointSerializer() {
    return connected().getEnumeratorCheckpointSerializer();
  }

  /**
   * Makes the connector's source anew.
   *
   * @param slotNeeded without its slot the source would miss changes
   */
  private void prepare(boolean slotNeeded) throws Exception {
    try (Connection connection = SourceServer.connect(settings)) {
      if (slotNeeded && SourceServer.slot(connection, settings.slot()) == null) {
        throw new SuppressRestartsException(
            new DiscontinuityException(Continuity.missingSlot(settings.slot(), settings.place())));
      }
      connected = connect(settings);
    } catch (SQLException e) {
      throw new SourceFailure(settings).judged(e);
    }
  }

  // Inherits the reader's raw type.
  @SuppressWarnings("unchecked")
  private static final class Connected
      extends PostgresIncrementalSource<Either<ReaderNotice, Change>> {
    private static final long serialVersionUID = 1L;

    private Connected(PostgresSourceConfigFactory factory, PostgresDialect dialect) {
      super(factory, new ChunkEndDeserializer(), new PostgresOffsetFactory(), dialect);
    }

    /** The connector's own one, without its look for the slot in a session of its own. */
    private IncrementalSourceEnumerator enumerator(
        SplitEnumeratorContext<SourceSplitBase> context) {
      JdbcSourceConfig config = configFactory.create(0);
      return enumerator(
          context,
          config,
          new HybridSplitAssigner<>(
              config,
              context.currentParallelism(),
              dataSourceDialect.discoverDataCollections(config),
              dataSourceDialect.isDataCollectionIdCaseSensitive(config),
              dataSourceDialect,
              offsetFactory,
              context));
    }

    private IncrementalSourceEnumerator enumerator(
        SplitEnumeratorContext<SourceSplitBase> context, PendingSplitsState checkpoint) {
      JdbcSourceConfig config = configFactory.create(0);
      return enumerator(
          context,
          config,
          new HybridSplitAssigner<>(
              config,
              context.currentParallelism(),
              (HybridPendingSplitsState) checkpoint,
              dataSourceDialect,
              offsetFactory,
              context));
    }

    private IncrementalSourceEnumerator enumerator(
        SplitEnumeratorContext<SourceSplitBase> context,
        JdbcSourceConfig config,
        HybridSplitAssigner<JdbcSourceConfig> assigner) {
      return new IncrementalSourceEnumerator(context, config, assigner, getBoundedness());
    }

    @Override
    protected RecordEmitter<SourceRecords, Either<ReaderNotice, Change>, SourceSplitState>
        createRecordEmitter(SourceConfig config, SourceReaderMetrics metrics) {
      return new Emitter((ChunkEndDeserializer) deserializationSchema, metrics, offsetFactory);
    }
  }

  /** Passes on the batches of the stream and the snapshot, and the ends of the chunks. */
  private static final class Emitter
      extends IncrementalSourceRecordEmitter<Either<ReaderNotice, Change>> {

    private Emitter(
        ChunkEndDeserializer deserializer, SourceReaderMetrics metrics, OffsetFactory offsets) {
      super(deserializer, metrics, false, offsets);
    }

    @Override
    public void emitRecord(
        SourceRecords fetched,
        SourceOutput<Either<ReaderNotice, Change>> output,
        SourceSplitState split)
        throws Exception {
      outputCollector.output = output;
      outputCollector.currentMessageTimestamp = null;
      SourceRecord last = null;
      Iterator<SourceRecord> records = fetched.iterator();
      while (records.hasNext()) {
        SourceRecord record = records.next();
        if (record.value() instanceof StreamBatch batch) {
          emit(batch, output);
          last = record;
        } else {
          super.processElement(record, output, split);
          debeziumDeserializationSchema.deserialize(record, outputCollector);
        }
      }
      // A checkpoint falls between batches, so only the last offset of a batch can be stored.
      if (last != null && split.isStreamSplitState()) {
        split.asStreamSplitState().setStartingOffset(getOffsetPosition(last));
      }
    }

    private void emit(StreamBatch batch, SourceOutput<Either<ReaderNotice, Change>> output) {
      for (Either<ReaderNotice, Change> element : batch.elements()) {
        output.collect(element);
      }
      if (batch.changes() > 0) {
        for (int i = 0; i < batch.changes(); i++) {
          sourceReaderMetrics.markRecord();
        }
        sourceReaderMetrics.recordFetchDelay(
            System.currentTimeMillis() - batch.committedAt() / 1000);
      }
    }
  }

  /** The dialect's deviations from the connector's. */
  private static final class Dialect extends PostgresDialect {
    private static final long serialVersionUID = 1L;

    private final PostgresSourceSettings settings;
    private transient volatile StreamTask stream;
    private final transient SnapshotMemory snapshot = new SnapshotMemory();

    private Dialect(PostgresSourceConfig config, PostgresSourceSettings settings) {
      super(config);
      this.settings = settings;
    }

    @Override
    public JdbcSourceFetchTaskContext createFetchTaskContext(JdbcSourceConfig config) {
      return new TaskContext(config, this);
    }

    // The connector's class of scan tasks is declared without its type argument.
    @Override
    @SuppressWarnings("unchecked")
    public FetchTask<SourceSplitBase> createFetchTask(SourceSplitBase split) {
      if (split.isSnapshotSplit()) {
        return new SnapshotTask(split.asSnapshotSplit(), settings, snapshot);
      }
      stream = new StreamTask(split.asStreamSplit(), settings);
      return stream;
    }

    /** Confirms the checkpoint's offset; checkpoints during the snapshot hold none. */
    @Override
    public void notifyCheckpointComplete(long checkpointId, Offset offset) {
      if (stream != null && offset != null) {
        stream.confirm(offset);
      }
    }

    /** Small tables first, so that facts rarely wait for their references. */
    @Override
    public List<TableId> discoverDataCollections(JdbcSourceConfig config) {
      try {
        return new ArrayList<>(SourceServer.existingTables(settings));
      } catch (SQLException e) {
        throw new FlinkRuntimeException("The source's tables could not be read.", e);
      }
    }

    /** The connector's own search reads every column of the database. */
    @Override
    public Map<TableId, TableChange> discoverDataCollectionSchemas(JdbcSourceConfig config) {
      Map<TableId, TableChange> schemas = new HashMap<>();
      discoverDataCollections(config).forEach(table -> schemas.putAll(LeafSplitter.schema(table)));
      return schemas;
    }

    @Override
    public ChunkSplitter createChunkSplitter(JdbcSourceConfig config) {
      return new LeafSplitter(settings);
    }

    @Override
    public boolean isIncludeDataCollection(JdbcSourceConfig config, TableId table) {
      return !settings.bindings(table.schema(), table.table()).isEmpty();
    }

    /** A table is divided at once: there is never a state to go on from. */
    @Override
    public ChunkSplitter createChunkSplitter(JdbcSourceConfig config, ChunkSplitterState state) {
      return new LeafSplitter(settings);
    }
  }
}
