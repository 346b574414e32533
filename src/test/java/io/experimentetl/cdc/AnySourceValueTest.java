package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.attribution.AttributeOperator;
import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.clickhouse.RowEncoder;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.JobConfig;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ColumnType;
import io.experimentetl.model.DailyContribution;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.warehouse.AssignmentEncoder;
import io.experimentetl.warehouse.DimensionEncoder;
import io.experimentetl.warehouse.EventEncoder;
import io.experimentetl.warehouse.FindingEncoder;
import java.time.Instant;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.KeyedTwoInputStreamOperatorTestHarness;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;

/**
 * Every value of the source is writable or becomes a finding: an unwritable one would stop the job.
 */
class AnySourceValueTest {
  private static final List<SourceTable> TABLES =
      List.of(
          SourceTable.EXPERIMENTS,
          SourceTable.VARIANTS,
          SourceTable.USERS,
          SourceTable.ASSIGNMENTS,
          SourceTable.EVENTS);
  private static final long[] TIMES = {
    0,
    Instant.parse("2026-01-08T12:00:00Z").getEpochSecond() * 1_000_000,
    NativeWriter.MIN_DATE_TIME_MICROS,
    NativeWriter.MIN_DATE_TIME_MICROS + 86_400_000_000L,
    NativeWriter.MIN_DATE_TIME_MICROS - 1,
    NativeWriter.MAX_DATE_TIME_MICROS,
    NativeWriter.MAX_DATE_TIME_MICROS - 86_400_000_000L,
    NativeWriter.MAX_DATE_TIME_MICROS + 1,
    // The limits of PostgreSQL's timestamps, and infinity.
    Instant.parse("-4713-11-24T00:00:00Z").getEpochSecond() * 1_000_000,
    Long.MAX_VALUE - 1,
    Long.MAX_VALUE,
    Long.MIN_VALUE
  };
  private static final long[] NUMBERS = {
    1, 1, 1, 11, 0, -1, -5_000_000_000L, Long.MAX_VALUE, Long.MIN_VALUE, Integer.MAX_VALUE
  };
  private static final String[] TEXTS = {
    "exposure",
    "purchase",
    "",
    "\t\n\r\b\u0001'\"\\",
    "Größe 大 \ud83d\ude00 \uffff",
    "{\"zone\": \"Pacific/Kiritimati\", \"revenue\": 1e400}",
    "{\"zone\": \"Etc/GMT+12\", \"revenue\": -99999999999999999999999.5}",
    "{\"zone\": \"nowhere\", \"revenue\": 999999999999.9999999}",
    "[1]"
  };
  private static final String HALF = "half \ud83d of a pair";
  private static final Schema TIME =
      SchemaBuilder.int64().optional().name(MicrosConverter.SCHEMA).build();

  private final ObjectMapper json = new ObjectMapper();

  /** The way of a row into the job: from Debezium in the job, or as JSON from Kafka. */
  private interface Rows {
    SourceRow row(SourceTable table, Random random, boolean old);
  }

  @Property(tries = 100)
  void everyRowIsEncodedOrBecomesAFinding(@ForAll long seed) throws Exception {
    flow(new Random(seed), this::struct);
  }

  @Property(tries = 100)
  void everyRowOfATopicIsEncodedOrBecomesAFinding(@ForAll long seed) throws Exception {
    flow(new Random(seed), this::json);
  }

  /** Long because it drives one row through all operators and checks each output. */
  private static void flow(Random random, Rows rows) throws Exception {
    JobConfig config = ConfigBuilder.defaults().build();
    try (var route = RouteHarness.opened();
        var attribute =
            new KeyedTwoInputStreamOperatorTestHarness<>(
                new AttributeOperator(config),
                RouteOperator::userOf,
                null,
                Types.STRING,
                128,
                1,
                0)) {
      attribute.setup(AttributeOperator.EVENTS_TYPE.createSerializer(new SerializerConfigImpl()));
      attribute.open();
      attribute.processElement2(
          new StreamRecord<>(Either.Left(new ProgressMarker(1, 1, TIMES[1], true, true))));
      for (int i = 1; i < 60; i++) {
        SourceTable table = TABLES.get(random.nextInt(TABLES.size()));
        ChangeKind kind =
            List.of(ChangeKind.READ, ChangeKind.INSERT, ChangeKind.UPDATE, ChangeKind.DELETE)
                .get(random.nextInt(4));
        boolean hasOld = kind == ChangeKind.UPDATE || kind == ChangeKind.DELETE;
        Change change =
            new Change(
                table,
                kind,
                i * 100L,
                new SourcePosition(i * 100L - 50, i * 100L, i / 3, 0, TIMES[1]),
                hasOld ? rows.row(table, random, true) : null,
                kind == ChangeKind.DELETE ? null : rows.row(table, random, false));
        route.processElement(new StreamRecord<>(Either.Right(change)));
        Object passed;
        while ((passed = route.getOutput().poll()) != null) {
          if (passed instanceof StreamRecord<?> record) {
            attribute.processElement1(new StreamRecord<>((Change) record.getValue()));
          }
        }
        var dimensions = route.getSideOutput(RouteOperator.DIMENSIONS);
        while (dimensions != null && !dimensions.isEmpty()) {
          attribute.processElement2(dimensions.poll());
        }
      }
      attribute.setProcessingTime(3_600_000);
      attribute.prepareSnapshotPreBarrier(1);

      encode(route, RouteOperator.EXPERIMENTS, new DimensionEncoder(SourceTable.EXPERIMENTS));
      encode(route, RouteOperator.VARIANTS, new DimensionEncoder(SourceTable.VARIANTS));
      encode(route, RouteOperator.USERS, new DimensionEncoder(SourceTable.USERS));
      encode(route, RouteOperator.FINDINGS, new FindingEncoder());
      encodeAll(new AssignmentEncoder(), attribute.getSideOutput(AttributeOperator.ASSIGNMENTS));
      encodeAll(new FindingEncoder(), attribute.getSideOutput(AttributeOperator.FINDINGS));
      for (Object output : attribute.getOutput()) {
        if (output instanceof StreamRecord<?> record
            && ((Either<?, ?>) record.getValue()).isRight()) {
          encode(new EventEncoder(), (EventProcessed) ((Either<?, ?>) record.getValue()).right());
        }
      }
      var contributions = attribute.getSideOutput(AttributeOperator.CONTRIBUTIONS);
      if (contributions != null) {
        for (StreamRecord<DailyContribution> sent : contributions) {
          assertThat(NativeWriter.fitsDate32(sent.getValue().key().dayEpoch())).isTrue();
        }
      }
    }
  }

  private static <T> void encode(
      OneInputStreamOperatorTestHarness<?, ?> route,
      OutputTag<Either<ProgressMarker, T>> tag,
      RowEncoder<T> encoder) {
    encodeAll(encoder, route.getSideOutput(tag));
  }

  private static <T> void encodeAll(
      RowEncoder<T> encoder, Iterable<StreamRecord<Either<ProgressMarker, T>>> sent) {
    if (sent != null) {
      for (StreamRecord<Either<ProgressMarker, T>> record : sent) {
        if (record.getValue().isRight()) {
          encode(encoder, record.getValue().right());
        }
      }
    }
  }

  private static <T> void encode(RowEncoder<T> encoder, T row) {
    encoder.partition(row);
    encoder.isReplayStable(row);
    NativeWriter out = new NativeWriter(encoder.schema().columns());
    encoder.encode(row, out);
    out.endRow();
  }

  private SourceRow struct(SourceTable table, Random random, boolean old) {
    SchemaBuilder schema = SchemaBuilder.struct();
    for (SourceColumn<?> column : table.columns().all()) {
      schema.field(
          column.name(),
          switch (column.type()) {
            case BIGINT, INT, NUMBER -> Schema.OPTIONAL_INT64_SCHEMA;
            case EVENT_ID, TEXT, LABEL, JSON -> Schema.OPTIONAL_STRING_SCHEMA;
            case BOOL -> Schema.OPTIONAL_BOOLEAN_SCHEMA;
            case TIMESTAMP -> TIME;
          });
    }
    Schema built = schema.build();
    Struct row = new Struct(built);
    for (SourceColumn<?> column : table.columns().all()) {
      row.put(column.name(), value(column, random, old));
    }
    StructRowReader reader = new StructRowReader(TableBinding.defaults(table, "public"), built);
    return old ? reader.readOld(row) : reader.read(row, null);
  }

  private SourceRow json(SourceTable table, Random random, boolean old) {
    ObjectNode row = json.createObjectNode();
    for (SourceColumn<?> column : table.columns().all()) {
      Object value = value(column, random, old);
      if (column.type() == ColumnType.TIMESTAMP && value instanceof Long micros) {
        value = Instant.EPOCH.plusSeconds(Math.floorDiv(micros, 1_000_000L)).toString();
      }
      if (random.nextInt(25) == 0) {
        value = random.nextBoolean() ? HALF : List.of(1, "x");
      }
      row.set(column.name(), json.<JsonNode>valueToTree(value));
    }
    JsonRowReader reader = new JsonRowReader(TableBinding.defaults(table, "public"));
    return old ? reader.readOld(row) : reader.read(row, null);
  }

  /** Primary keys are present and often the same; any other value may be missing. */
  private static Object value(SourceColumn<?> column, Random random, boolean old) {
    boolean isPrimaryKey = column.name().equals("id") || column.name().equals("timestamp");
    if (!isPrimaryKey && random.nextInt(old ? 4 : 15) == 0) {
      return null;
    }
    return switch (column.type()) {
      case BIGINT, INT, NUMBER -> NUMBERS[random.nextInt(NUMBERS.length)];
      case BOOL -> random.nextBoolean();
      case TIMESTAMP ->
          random.nextInt(3) > 0 ? TIMES[random.nextInt(2)] : TIMES[random.nextInt(TIMES.length)];
      case EVENT_ID ->
          random.nextInt(4) > 0
              ? "00000000-0000-0000-0000-00000000000" + random.nextInt(3)
              : TEXTS[random.nextInt(TEXTS.length)];
      case TEXT, LABEL, JSON ->
          column.name().equals("user_id") && random.nextInt(4) > 0
              ? "u1"
              : TEXTS[random.nextInt(TEXTS.length)];
    };
  }
}
