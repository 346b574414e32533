package io.experimentetl.cdc;

import io.debezium.relational.TableId;
import io.experimentetl.model.Change;
import io.experimentetl.model.SourceTable;
import io.experimentetl.postgres.PostgresSession;
import io.experimentetl.postgres.PostgresTls;
import io.experimentetl.tls.ServerTls;
import io.experimentetl.tls.TlsMode;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Properties;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
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
import org.apache.flink.cdc.connectors.base.relational.connection.JdbcConnectionPoolFactory;
import org.apache.flink.cdc.connectors.base.source.assigner.state.PendingSplitsState;
import org.apache.flink.cdc.connectors.base.source.meta.offset.Offset;
import org.apache.flink.cdc.connectors.base.source.meta.offset.OffsetFactory;
import org.apache.flink.cdc.connectors.base.source.meta.split.SourceRecords;
import org.apache.flink.cdc.connectors.base.source.meta.split.SourceSplitBase;
import org.apache.flink.cdc.connectors.base.source.meta.split.SourceSplitState;
import org.apache.flink.cdc.connectors.base.source.metrics.SourceReaderMetrics;
import org.apache.flink.cdc.connectors.base.source.reader.IncrementalSourceRecordEmitter;
import org.apache.flink.cdc.connectors.base.source.reader.external.FetchTask;
import org.apache.flink.cdc.connectors.base.source.reader.external.JdbcSourceFetchTaskContext;
import org.apache.flink.cdc.connectors.postgres.source.PostgresConnectionPoolFactory;
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
import org.apache.kafka.connect.source.SourceRecord;

/**
 * The connector's source, built where it runs. The job graph holds only the settings: the
 * connector's own source object carries the password.
 */
final class PostgresChangeSource
    implements Source<Either<ReaderNotice, Change>, SourceSplitBase, PendingSplitsState>,
        ResultTypeQueryable<Either<ReaderNotice, Change>> {
  private static final long serialVersionUID = 1L;

  private static final String PASSWORD_PLUGIN = "authenticationPluginClassName";

  private final PostgresSourceSettings settings;
  private transient Connected connected;

  PostgresChangeSource(PostgresSourceSettings settings) {
    this.settings = settings;
  }

  private Connected connected() {
    if (connected == null) {
      connected = connect(settings, 0);
    }
    return connected;
  }

  private static Connected connect(PostgresSourceSettings settings, int serverVersion) {
    String sessionOptions = PostgresSession.options(serverVersion);
    PasswordOnDemand.serve(settings);
    Properties debezium = new Properties();
    debezium.setProperty("database." + PASSWORD_PLUGIN, PasswordOnDemand.class.getName());
    debezium.setProperty("publication.name", settings.publication());
    // The alternatives narrow the publication to one table while a snapshot runs, or need a
    // superuser.
    debezium.setProperty("publication.autocreate.mode", "disabled");
    debezium.setProperty("database." + PostgresSession.OPTIONS, sessionOptions);
    if (settings.tls().mode() != TlsMode.PREFER) {
      // Debezium does not know the driver's default.
      PostgresTls.properties(settings.tls())
          .forEach((name, value) -> debezium.setProperty("database." + name, value));
    }
    // A numeric without a declared scale keeps its digits.
    debezium.setProperty("decimal.handling.mode", "string");
    debezium.setProperty("converters", "micros");
    debezium.setProperty("micros.type", MicrosConverter.class.getName());
    // Of the snapshot's queue, as the sizes below. The default waits half a second for a full
    // batch.
    debezium.setProperty("poll.interval.ms", "50");
    // A Debezium record consists of about 60 objects, and every young collection copies the queued
    // ones. A longer queue is not faster.
    debezium.setProperty("max.batch.size", "1024");
    debezium.setProperty("max.queue.size", "2048");
    debezium.setProperty("snapshot.fetch.size", "10000");
    PostgresSourceBuilder<Either<ReaderNotice, Change>> builder =
        PostgresIncrementalSource.<Either<ReaderNotice, Change>>builder()
            .hostname(settings.host())
            .port(settings.port())
            .database(settings.database())
            .tableList(tables(settings))
            .username(settings.username())
            .password("")
            .decodingPluginName("pgoutput")
            .slotName(settings.slot())
            .splitSize(settings.splitSize())
            // Backfill loses updates of transactions that are open at a chunk's end.
            .skipSnapshotBackfill(true)
            .includePartitionedTables(true)
            // The option would reverse the order of the small tables.
            .assignUnboundedChunkFirst(false)
            // A job restored from one of the last checkpoints must find its position in the slot.
            .lsnCommitCheckpointsDelay(3)
            .debeziumProperties(debezium);
    PostgresSourceConfigFactory factory = builder.getConfigFactory();
    return new Connected(factory, new Dialect(factory.create(0), settings, sessionOptions));
  }

  /** One pattern. An unquoted dot would match any character. */
  private static String tables(PostgresSourceSettings settings) {
    return settings.tables().stream()
        .map(SourceTable::tableName)
        .collect(Collectors.joining("|", Pattern.quote(settings.schema()) + "\\.(?:", ")"));
  }

  @Override
  public Boundedness getBoundedness() {
    return Boundedness.CONTINUOUS_UNBOUNDED;
  }

  @Override
  public TypeInformation<Either<ReaderNotice, Change>> getProducedType() {
    return ChangeDeserializer.TYPE;
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
    return connected.createEnumerator(context);
  }

  @Override
  public SplitEnumerator<SourceSplitBase, PendingSplitsState> restoreEnumerator(
      SplitEnumeratorContext<SourceSplitBase> context, PendingSplitsState checkpoint)
      throws Exception {
    prepare(true);
    return connected.restoreEnumerator(context, checkpoint);
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
   * Connects to the server, whose version the settings of the connector's sessions depend on.
   *
   * @param slotNeeded the connector would silently create a missing slot and skip all changes
   *     before it
   */
  private void prepare(boolean slotNeeded) throws Exception {
    try (Connection connection = SourceServer.connect(settings)) {
      if (slotNeeded && SourceServer.slot(connection, settings.slot()) == null) {
        throw new SuppressRestartsException(
            new DiscontinuityException(Continuity.missingSlot(settings.slot(), settings.place())));
      }
      connected = connect(settings, connection.getMetaData().getDatabaseMajorVersion());
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
      super(factory, new ChangeDeserializer(), new PostgresOffsetFactory(), dialect);
    }

    @Override
    protected RecordEmitter<SourceRecords, Either<ReaderNotice, Change>, SourceSplitState>
        createRecordEmitter(SourceConfig config, SourceReaderMetrics metrics) {
      return new Emitter((ChangeDeserializer) deserializationSchema, metrics, offsetFactory);
    }
  }

  /** Passes on the batches of the stream, and the rows of the snapshot one by one. */
  private static final class Emitter
      extends IncrementalSourceRecordEmitter<Either<ReaderNotice, Change>> {

    private final ChangeDeserializer deserializer;

    private Emitter(
        ChangeDeserializer deserializer, SourceReaderMetrics metrics, OffsetFactory offsets) {
      super(deserializer, metrics, false, offsets);
      this.deserializer = deserializer;
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
        } else if (deserializer.isRow(record)) {
          sourceReaderMetrics.markRecord();
          deserializer.deserialize(record, outputCollector);
        } else {
          super.processElement(record, output, split);
          deserializer.deserialize(record, outputCollector);
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

  /**
   * Lets the pool's connections request the password when they open, and set what a session of ours
   * sets, like all others.
   */
  private static final class Pool extends PostgresConnectionPoolFactory {
    private static final long serialVersionUID = 1L;

    private final String sessionOptions;
    private final ServerTls tls;

    private Pool(String sessionOptions, ServerTls tls) {
      this.sessionOptions = sessionOptions;
      this.tls = tls;
    }

    @Override
    public String getJdbcUrl(JdbcSourceConfig config) {
      return super.getJdbcUrl(config)
          + "?"
          + PASSWORD_PLUGIN
          + "="
          + PasswordOnDemand.class.getName()
          + "&"
          + PostgresSession.OPTIONS
          + "="
          + URLEncoder.encode(sessionOptions, StandardCharsets.UTF_8)
          + "&"
          + PostgresTls.parameters(tls);
    }
  }

  /** The dialect's deviations from the connector's. */
  private static final class Dialect extends PostgresDialect {
    private static final long serialVersionUID = 1L;

    private final PostgresSourceSettings settings;
    private final String sessionOptions;
    private transient volatile StreamTask stream;

    private Dialect(
        PostgresSourceConfig config, PostgresSourceSettings settings, String sessionOptions) {
      super(config);
      this.settings = settings;
      this.sessionOptions = sessionOptions;
    }

    @Override
    public JdbcSourceFetchTaskContext createFetchTaskContext(JdbcSourceConfig config) {
      return new StreamContext(config, this);
    }

    @Override
    public FetchTask<SourceSplitBase> createFetchTask(SourceSplitBase split) {
      if (split.isSnapshotSplit()) {
        return super.createFetchTask(split);
      }
      stream = new StreamTask(split.asStreamSplit(), settings);
      return stream;
    }

    @Override
    public JdbcConnectionPoolFactory getPooledDataSourceFactory() {
      return new Pool(sessionOptions, settings.tls());
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
      List<TableId> tables = super.discoverDataCollections(config);
      tables.sort(
          Comparator.comparing(
              table -> SourceTable.ofTableName(table.table()),
              Comparator.nullsLast(Comparator.naturalOrder())));
      return tables;
    }
  }
}
