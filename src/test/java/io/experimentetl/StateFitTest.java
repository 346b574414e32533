package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.apache.flink.api.common.state.StateDescriptor;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSchemaCompatibility;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.LongSerializer;
import org.apache.flink.api.common.typeutils.base.StringSerializer;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.core.memory.DataOutputView;
import org.apache.flink.runtime.checkpoint.Checkpoints;
import org.apache.flink.runtime.checkpoint.OperatorState;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.checkpoint.StateObjectCollection;
import org.apache.flink.runtime.checkpoint.metadata.CheckpointMetadata;
import org.apache.flink.runtime.state.IncrementalRemoteKeyedStateHandle;
import org.apache.flink.runtime.state.KeyGroupRange;
import org.apache.flink.runtime.state.KeyGroupRangeOffsets;
import org.apache.flink.runtime.state.KeyGroupsStateHandle;
import org.apache.flink.runtime.state.KeyedBackendSerializationProxy;
import org.apache.flink.runtime.state.KeyedStateHandle;
import org.apache.flink.runtime.state.RegisteredKeyValueStateBackendMetaInfo;
import org.apache.flink.runtime.state.VoidNamespaceSerializer;
import org.apache.flink.runtime.state.memory.ByteStreamStateHandle;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StateFitTest {
  private static final int KEY_GROUPS = ExperimentEtlPipeline.MAX_PARALLELISM;

  @TempDir private Path folder;

  private final List<OperatorState> states = new ArrayList<>();

  private static final class Same extends KeyedProcessFunction<String, String, String> {
    private static final long serialVersionUID = 1L;

    @Override
    public void processElement(String value, Context context, Collector<String> out) {
      out.collect(value);
    }
  }

  /** The build that is to take over: two operators with text keys. */
  private static StreamExecutionEnvironment build() {
    StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
    environment.setMaxParallelism(KEY_GROUPS);
    environment
        .fromData("a", "b")
        .uid("letters")
        .keyBy(letter -> letter)
        .process(new Same())
        .uid("counts")
        .name("counts")
        .sinkTo(new DiscardingSink<>())
        .uid("nowhere");
    return environment;
  }

  private List<String> problems(String... former) throws IOException {
    checkpoint("chk-7", states);
    return new StateFit(build(), List.of(former))
        .problems(folder.resolve("chk-7").toUri().toString());
  }

  private void state(String uid, int keyGroups, KeyedStateHandle handle) {
    OperatorState state = new OperatorState(UidHash.of(uid), 1, keyGroups);
    state.putState(
        0,
        OperatorSubtaskState.builder()
            .setManagedKeyedState(StateObjectCollection.singleton(handle))
            .build());
    states.add(state);
  }

  private static ByteStreamStateHandle header(TypeSerializer<?> key, TypeSerializer<?> value)
      throws IOException {
    DataOutputSerializer out = new DataOutputSerializer(256);
    new KeyedBackendSerializationProxy<>(
            key,
            List.of(
                new RegisteredKeyValueStateBackendMetaInfo<>(
                        StateDescriptor.Type.VALUE, "seen", VoidNamespaceSerializer.INSTANCE, value)
                    .snapshot()),
            false)
        .write(out);
    return new ByteStreamStateHandle("header", out.getCopyOfBuffer());
  }

  private static KeyedStateHandle full(TypeSerializer<?> key, TypeSerializer<?> value)
      throws IOException {
    return new KeyGroupsStateHandle(
        new KeyGroupRangeOffsets(new KeyGroupRange(0, 1)), header(key, value));
  }

  @Test
  void stateOfTheSameOperatorsFits() throws IOException {
    state("counts", KEY_GROUPS, full(StringSerializer.INSTANCE, LongSerializer.INSTANCE));
    assertThat(problems()).isEmpty();
  }

  @Test
  void stateOfAnIncrementalCheckpointIsReadToo() throws IOException {
    state(
        "counts",
        KEY_GROUPS,
        new IncrementalRemoteKeyedStateHandle(
            UUID.randomUUID(),
            new KeyGroupRange(0, 1),
            7,
            List.of(),
            List.of(),
            header(LongSerializer.INSTANCE, LongSerializer.INSTANCE)));
    assertThat(problems())
        .singleElement()
        .asString()
        .startsWith("the operator counts has keys that this build writes differently");
  }

  @Test
  void operatorThatTheBuildDoesNotHaveIsNamed() throws IOException {
    state("sums", KEY_GROUPS, full(StringSerializer.INSTANCE, LongSerializer.INSTANCE));
    state("counts", KEY_GROUPS, full(StringSerializer.INSTANCE, LongSerializer.INSTANCE));
    assertThat(problems("letters", "sums", "counts"))
        .singleElement()
        .asString()
        .startsWith("the operator sums of the running job has state, and this build has no");
    assertThat(problems()).singleElement().asString().contains("the operator with the id ");
  }

  @Test
  void otherNumberOfKeyGroupsIsRefused() throws IOException {
    state("counts", 64, full(StringSerializer.INSTANCE, LongSerializer.INSTANCE));
    assertThat(problems())
        .singleElement()
        .asString()
        .startsWith("the operator counts has 64 key groups in the running job, and 128 in");
  }

  @Test
  void serializerThatTheBuildCannotReadIsNamedWithItsOperator() throws IOException {
    state("counts", KEY_GROUPS, full(StringSerializer.INSTANCE, new OfAnotherBuild()));
    assertThat(problems())
        .singleElement()
        .asString()
        .startsWith("the operator counts cannot read its state (")
        .contains("version 9 is unknown");
  }

  @Test
  void newestCheckpointIsReadInThePlaceOfOneThatTheJobHasRemoved() throws IOException {
    checkpoint("chk-7", List.of());
    Files.createDirectories(folder.resolve("chk-9"));
    state("sums", KEY_GROUPS, full(StringSerializer.INSTANCE, LongSerializer.INSTANCE));
    checkpoint("chk-8", states);
    StateFit fit = new StateFit(build(), List.of("sums"));
    assertThat(fit.problems(folder.resolve("chk-6").toUri().toString()))
        .singleElement()
        .asString()
        .startsWith("the operator sums of the running job has state");
  }

  private void checkpoint(String name, List<OperatorState> of) throws IOException {
    Path checkpoint = Files.createDirectories(folder.resolve(name));
    try (OutputStream out = Files.newOutputStream(checkpoint.resolve("_metadata"))) {
      Checkpoints.storeCheckpointMetadata(new CheckpointMetadata(7, of, List.of()), out);
    }
  }

  @Test
  void checkpointThatTheJobHasRemovedIsReportedWhereNoNewerOneIs() throws IOException {
    checkpoint("chk-5", List.of());
    StateFit fit = new StateFit(build(), List.of());
    assertThatThrownBy(() -> fit.problems(folder.resolve("chk-6").toUri().toString()))
        .isInstanceOf(FileNotFoundException.class)
        .hasMessageStartingWith(JobArguments.CHECKPOINT_IS_GONE);
  }

  /** Writes what its snapshot refuses to read. */
  private static final class OfAnotherBuild extends TypeSerializer<String> {
    private static final long serialVersionUID = 1L;

    @Override
    public TypeSerializerSnapshot<String> snapshotConfiguration() {
      return new Snapshot();
    }

    @Override
    public boolean isImmutableType() {
      return true;
    }

    @Override
    public TypeSerializer<String> duplicate() {
      return this;
    }

    @Override
    public String createInstance() {
      return "";
    }

    @Override
    public String copy(String from) {
      return from;
    }

    @Override
    public String copy(String from, String reuse) {
      return from;
    }

    @Override
    public int getLength() {
      return -1;
    }

    @Override
    public void serialize(String record, DataOutputView target) throws IOException {
      target.writeUTF(record);
    }

    @Override
    public String deserialize(DataInputView source) throws IOException {
      return source.readUTF();
    }

    @Override
    public String deserialize(String reuse, DataInputView source) throws IOException {
      return source.readUTF();
    }

    @Override
    public void copy(DataInputView source, DataOutputView target) throws IOException {
      target.writeUTF(source.readUTF());
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof OfAnotherBuild;
    }

    @Override
    public int hashCode() {
      return 9;
    }
  }

  /** The snapshot's class must be public with a public constructor. */
  public static final class Snapshot implements TypeSerializerSnapshot<String> {
    @Override
    public int getCurrentVersion() {
      return 9;
    }

    @Override
    public void writeSnapshot(DataOutputView out) {}

    @Override
    public void readSnapshot(int version, DataInputView in, ClassLoader classes)
        throws IOException {
      throw new IOException("version " + version + " is unknown");
    }

    @Override
    public TypeSerializer<String> restoreSerializer() {
      return new OfAnotherBuild();
    }

    @Override
    public TypeSerializerSchemaCompatibility<String> resolveSchemaCompatibility(
        TypeSerializerSnapshot<String> former) {
      return TypeSerializerSchemaCompatibility.compatibleAsIs();
    }
  }
}
