package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.debezium.embedded.Connect;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.RecordChangeEvent;
import io.debezium.engine.format.ChangeEventFormat;
import io.debezium.relational.TableId;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.UnreadableRow;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Predicate;
import org.apache.flink.cdc.connectors.base.source.meta.split.SnapshotSplit;
import org.apache.flink.cdc.connectors.base.source.meta.split.StreamSplit;
import org.apache.flink.cdc.connectors.postgres.source.offset.PostgresOffset;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The job's decoder gives the changes that Debezium gives, for random tables and transactions. */
class DecoderAgreementIT {

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final int TRANSACTIONS = 150;

  /** Debezium's placeholder of an unsent value; for a domain it ignores that of its settings. */
  private static final String UNSENT = "__debezium_unavailable_value";

  /** A row that no drawn one has: it is the last one, and cannot be read. */
  private static final Subject FENCE = Subject.row(SourceTable.OUTBOX_EVENTS, "31999");

  private static final String INCOMPLETE = "a row with an unsent value";

  /** A change of which both readers know all. */
  private record Seen(SourceTable table, ChangeKind kind, Object before, Object after) {}

  @ParameterizedTest
  @CsvSource({"1, true", "2, false", "3, false"})
  void decoderAndDebeziumAgreeOnRandomTablesTypesAndTransactions(long seed, boolean allSendable)
      throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "drawn" + seed);
    DrawnTables drawn = new DrawnTables(new Random(seed), allSendable);
    for (String statement : drawn.creation()) {
      database.execute(statement);
    }
    PostgresSourceSettings settings = settings(database);
    String model = settings.slot() + "_model";
    for (String slot : List.of(settings.slot(), model)) {
      database.execute("SELECT pg_create_logical_replication_slot('" + slot + "', 'pgoutput')");
    }
    write(database, drawn);
    List<Change> ours = ours(settings);
    List<SourceRecord> records = debeziums(database, settings, model);
    assertThat(ours)
        .hasSizeGreaterThan(TRANSACTIONS)
        .filteredOn(change -> change.after() != null && !(change.after() instanceof UnreadableRow))
        .hasSizeGreaterThan(TRANSACTIONS / 2);
    List<Seen> expected = expected(records, drawn.whole());
    StockDeserializer stock = new StockDeserializer();
    List<Seen> seen = seen(ours);
    for (int i = 0; i < Math.min(seen.size(), expected.size()); i++) {
      assertThat(seen.get(i)).as("change %d of %d", i, seen.size()).isEqualTo(expected.get(i));
    }
    assertThat(seen).hasSameSizeAs(expected);
    assertThat(seen(snapshot(settings)))
        .hasSize((int) database.number(DrawnTables.ROWS))
        .containsExactlyInAnyOrderElementsOf(
            debeziumsSnapshot(database, settings, model).stream()
                .map(stock::change)
                .map(
                    change ->
                        new Seen(change.table(), change.kind(), null, comparable(change.after())))
                .toList());
  }

  private static PostgresSourceSettings settings(SourceDatabase database) {
    PostgresSourceSettings all = database.settings();
    return new PostgresSourceSettings(
        all.host(),
        all.port(),
        all.database(),
        SourceMapping.defaults(DrawnTables.SCHEMA),
        all.username(),
        all.password(),
        all.tls(),
        DrawnTables.PUBLICATION,
        all.slot() + "_drawn",
        Duration.ofMillis(200),
        20,
        true);
  }

  private static void write(SourceDatabase database, DrawnTables drawn) throws SQLException {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      connection.setAutoCommit(false);
      for (int i = 0; i < TRANSACTIONS; i++) {
        List<String> transaction = drawn.transaction();
        for (String sql : transaction) {
          statement.execute(sql);
        }
        if (i % 10 == 9) {
          connection.rollback();
        } else {
          connection.commit();
        }
      }
      statement.execute("ALTER TABLE drawn.outbox_events DROP aggregate_id");
      statement.execute("ALTER TABLE drawn.outbox_events ADD aggregate_id text");
      statement.execute("TRUNCATE drawn.outbox_events");
      statement.execute("INSERT INTO drawn.outbox_events (id) VALUES (" + FENCE.key() + ")");
      connection.commit();
    }
  }

  private static boolean isFence(Change change) {
    return change != null
        && change.after() instanceof UnreadableRow row
        && row.subject().equals(FENCE);
  }

  /** Reads up to the fence with the task of the job. */
  private static List<Change> ours(PostgresSourceSettings settings) throws Exception {
    StreamTask task =
        new StreamTask(
            new StreamSplit(
                StreamSplit.STREAM_SPLIT_ID,
                PostgresOffset.of(Map.of("lsn", Long.toString(Long.MAX_VALUE))),
                PostgresOffset.NO_STOPPING_OFFSET,
                List.of(),
                Map.of(),
                0),
            settings);
    try (RunningTask running = new RunningTask(task)) {
      await()
          .atMost(Duration.ofSeconds(60))
          .until(
              () -> {
                List<Change> changes = running.poll();
                return !changes.isEmpty() && isFence(changes.get(changes.size() - 1));
              });
      return running.changes();
    }
  }

  /** Reads all tables with the tasks of the job. */
  private static List<Change> snapshot(PostgresSourceSettings settings) throws Exception {
    List<Change> changes = new ArrayList<>();
    SnapshotMemory memory = new SnapshotMemory();
    for (TableId table : SourceServer.existingTables(settings)) {
      for (SnapshotSplit split : new LeafSplitter(settings).generateSplits(table)) {
        changes.addAll(RunningTask.chunk(split, settings, memory));
      }
    }
    return changes;
  }

  private static List<SourceRecord> debeziumsSnapshot(
      SourceDatabase database, PostgresSourceSettings settings, String slot) throws Exception {
    long rows = database.number(DrawnTables.ROWS);
    return debeziums(database, settings, slot, "initial_only", records -> records.size() == rows);
  }

  /** Reads up to the fence with Debezium's own decoder. */
  private static List<SourceRecord> debeziums(
      SourceDatabase database, PostgresSourceSettings settings, String slot) throws Exception {
    StockDeserializer stock = new StockDeserializer();
    return debeziums(
        database,
        settings,
        slot,
        "never",
        records -> !records.isEmpty() && isFence(stock.change(records.get(records.size() - 1))));
  }

  private static List<SourceRecord> debeziums(
      SourceDatabase database,
      PostgresSourceSettings settings,
      String slot,
      String snapshotMode,
      Predicate<List<SourceRecord>> isComplete)
      throws Exception {
    Properties properties = new Properties();
    properties.put("name", "model");
    properties.put("connector.class", "io.debezium.connector.postgresql.PostgresConnector");
    properties.put("offset.storage", "org.apache.kafka.connect.storage.MemoryOffsetBackingStore");
    properties.put("database.hostname", settings.host());
    properties.put("database.port", Integer.toString(settings.port()));
    properties.put("database.dbname", settings.database());
    properties.put("database.user", settings.username());
    properties.put("database.password", database.password());
    properties.put("database.server.name", "model");
    properties.put("plugin.name", "pgoutput");
    properties.put("slot.name", slot);
    properties.put("snapshot.mode", snapshotMode);
    properties.put("truncate.handling.mode", "include");
    properties.put("decimal.handling.mode", "string");
    properties.put("tombstones.on.delete", "false");
    properties.put("converters", "micros");
    properties.put("micros.type", MicrosConverter.class.getName());
    properties.put("publication.name", settings.publication());
    properties.put("publication.autocreate.mode", "disabled");
    properties.put("schema.include.list", settings.schema());
    properties.put("poll.interval.ms", "10");
    List<SourceRecord> records = new CopyOnWriteArrayList<>();
    ExecutorService thread = Executors.newSingleThreadExecutor();
    try (DebeziumEngine<RecordChangeEvent<SourceRecord>> engine =
        DebeziumEngine.create(ChangeEventFormat.of(Connect.class))
            .using(properties)
            .notifying(event -> records.add(event.record()))
            .build()) {
      thread.execute(engine);
      await().atMost(Duration.ofSeconds(60)).until(() -> isComplete.test(records));
    } finally {
      thread.shutdown();
    }
    return List.copyOf(records);
  }

  private static List<Seen> seen(List<Change> changes) {
    return changes.stream()
        .map(
            change ->
                new Seen(
                    change.table(),
                    change.kind(),
                    comparable(change.before()),
                    comparable(change.after())))
        .toList();
  }

  /** Without the reason: Debezium does not tell an unsent value of the key from NULL. */
  private static Object comparable(SourceRow row) {
    if (!(row instanceof UnreadableRow unreadable)) {
      return row;
    }
    return unreadable.code() == FindingCode.S_INCOMPLETE_ROW ? INCOMPLETE : unreadable.column();
  }

  /**
   * Debezium's records with what pgoutput tells beside them: an unsent large value is that of the
   * old row or makes the row incomplete, and a changed key of a whole row is one update.
   */
  private static List<Seen> expected(List<SourceRecord> records, Set<SourceTable> whole) {
    StockDeserializer stock = new StockDeserializer();
    List<Seen> expected = new ArrayList<>();
    for (SourceRecord record : records) {
      fillUnsent(record);
      Change change = stock.change(record);
      if (change == null) {
        continue;
      }
      Seen seen =
          new Seen(
              change.table(),
              change.kind(),
              comparable(change.before()),
              isIncomplete(record, change) ? INCOMPLETE : comparable(change.after()));
      Seen last = expected.isEmpty() ? null : expected.get(expected.size() - 1);
      if (last != null && last.kind == ChangeKind.KEY_CHANGE && whole.contains(last.table)) {
        expected.set(
            expected.size() - 1, new Seen(last.table, ChangeKind.UPDATE, last.before, seen.after));
      } else {
        expected.add(seen);
      }
    }
    return expected;
  }

  /** Whether the first column that cannot be read is one that was not sent. */
  private static boolean isIncomplete(SourceRecord record, Change change) {
    if (change.after() == null) {
      return false;
    }
    Struct after = ((Struct) record.value()).getStruct("after");
    for (SourceColumn<?> column : change.table().columns().all()) {
      if (change.after() instanceof UnreadableRow unreadable
          && unreadable.column().equals(column.name())) {
        return UNSENT.equals(after.get(column.name()));
      }
      if (after.schema().field(column.name()) != null && UNSENT.equals(after.get(column.name()))) {
        return true;
      }
    }
    return false;
  }

  private static void fillUnsent(SourceRecord record) {
    Struct value = (Struct) record.value();
    Struct after = value.schema().field("after") == null ? null : value.getStruct("after");
    if (after == null) {
      return;
    }
    Struct before = value.getStruct("before");
    for (Field field : after.schema().fields()) {
      if (UNSENT.equals(after.get(field)) && before != null) {
        after.put(field, before.get(field));
      }
    }
  }
}
