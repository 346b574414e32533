package io.experimentetl;

import java.io.DataInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.fs.FileStatus;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.fs.Path;
import org.apache.flink.core.memory.DataInputViewStreamWrapper;
import org.apache.flink.runtime.checkpoint.Checkpoints;
import org.apache.flink.runtime.checkpoint.OperatorState;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.jobgraph.OperatorID;
import org.apache.flink.runtime.state.IncrementalRemoteKeyedStateHandle;
import org.apache.flink.runtime.state.KeyGroupsStateHandle;
import org.apache.flink.runtime.state.KeyedBackendSerializationProxy;
import org.apache.flink.runtime.state.KeyedStateHandle;
import org.apache.flink.runtime.state.OperatorBackendSerializationProxy;
import org.apache.flink.runtime.state.OperatorStateHandle;
import org.apache.flink.runtime.state.StreamStateHandle;
import org.apache.flink.runtime.state.filesystem.AbstractFsCheckpointStorageAccess;
import org.apache.flink.runtime.state.metainfo.StateMetaInfoSnapshot;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.graph.StreamGraph;
import org.apache.flink.streaming.api.graph.StreamGraphHasherV2;
import org.apache.flink.streaming.api.graph.StreamNode;
import org.apache.flink.util.ExceptionUtils;

/**
 * Whether this build can take over the state of another one: each operator with state is still
 * there, its keys are written in the same way and fall into as many key groups, and this build has
 * the classes that read its state. What a serializer of the same class and version writes
 * differently is not seen.
 */
final class StateFit {
  private final Map<OperatorID, StreamNode> operators = new HashMap<>();
  private final Map<OperatorID, String> names = new HashMap<>();
  private final ClassLoader classes;

  /**
   * Takes the graph that the environment has been given.
   *
   * @param former names of the other build's operators, to name one that is missing
   */
  StateFit(StreamExecutionEnvironment environment, List<String> former) {
    classes = Thread.currentThread().getContextClassLoader();
    for (String name : former) {
      names.put(UidHash.of(name), name);
    }
    StreamGraph graph = environment.getStreamGraph(false);
    Map<Integer, byte[]> ids =
        new StreamGraphHasherV2().traverseStreamGraphAndGenerateHashes(graph);
    for (StreamNode node : graph.getStreamNodes()) {
      OperatorID id = new OperatorID(ids.get(node.getId()));
      operators.put(id, node);
      names.put(id, node.getOperatorName());
    }
  }

  /**
   * The obstacles, each with the operator and the remedy. A running job removes its older
   * checkpoints: where it has removed this one, the newest one beside it is read.
   *
   * @param path of a checkpoint or savepoint
   * @throws IOException if none can be read
   */
  List<String> problems(String path) throws IOException {
    for (String read = path; ; ) {
      try {
        return problemsOf(read);
      } catch (IOException | RuntimeException e) {
        // Flink wraps it when the checkpoint goes while its metadata are read.
        if (ExceptionUtils.findThrowable(e, FileNotFoundException.class).isEmpty()) {
          throw e;
        }
        Optional<String> newer = newerCheckpoint(read);
        if (newer.isEmpty()) {
          throw new FileNotFoundException(JobArguments.CHECKPOINT_IS_GONE + ": " + read);
        }
        read = newer.get();
      }
    }
  }

  private List<String> problemsOf(String path) throws IOException {
    Set<String> problems = new LinkedHashSet<>();
    try (DataInputStream metadata =
        new DataInputStream(
            AbstractFsCheckpointStorageAccess.resolveCheckpointPointer(path)
                .getMetadataHandle()
                .openInputStream())) {
      for (OperatorState state :
          Checkpoints.loadCheckpointMetadata(metadata, classes, path).getOperatorStates()) {
        check(state, problems);
      }
    }
    return List.copyOf(problems);
  }

  /** The newest complete checkpoint of the same job that is newer than this one. */
  private static Optional<String> newerCheckpoint(String path) throws IOException {
    Path checkpoint = new Path(path);
    FileSystem files = checkpoint.getFileSystem();
    long newest = numberOf(checkpoint);
    if (newest < 0 || !files.exists(checkpoint.getParent())) {
      return Optional.empty();
    }
    Path found = null;
    for (FileStatus file : files.listStatus(checkpoint.getParent())) {
      Path metadata =
          new Path(file.getPath(), AbstractFsCheckpointStorageAccess.METADATA_FILE_NAME);
      if (numberOf(file.getPath()) > newest && files.exists(metadata)) {
        newest = numberOf(file.getPath());
        found = file.getPath();
      }
    }
    return Optional.ofNullable(found).map(Path::toString);
  }

  /** The checkpoint's number by its folder's name; -1: the folder is no checkpoint's. */
  private static long numberOf(Path checkpoint) {
    String name = checkpoint.getName();
    String prefix = AbstractFsCheckpointStorageAccess.CHECKPOINT_DIR_PREFIX;
    return name.matches(prefix + "\\d{1,18}")
        ? Long.parseLong(name.substring(prefix.length()))
        : -1;
  }

  private void check(OperatorState state, Set<String> problems) throws IOException {
    boolean hasState =
        state.getCoordinatorState() != null
            || state.getStates().stream().anyMatch(OperatorSubtaskState::hasState);
    if (!hasState) {
      return;
    }
    StreamNode node = operators.get(state.getOperatorID());
    if (node == null) {
      problems.add(
          "the operator %s of the running job has state, and this build has no operator with its uid: deploy a build that has it, or read everything again with resync"
              .formatted(name(state)));
      return;
    }
    for (OperatorSubtaskState subtask : state.getStates()) {
      for (KeyedStateHandle handle : subtask.getManagedKeyedState()) {
        checkKeyGroups(state, problems);
        StreamStateHandle header = header(handle);
        if (header != null) {
          checkKeyed(node, header, problems);
        }
      }
      for (OperatorStateHandle handle : subtask.getManagedOperatorState()) {
        checkOperator(node, handle, problems);
      }
    }
  }

  private String name(OperatorState state) {
    return names.getOrDefault(state.getOperatorID(), "with the id " + state.getOperatorID());
  }

  private void checkKeyGroups(OperatorState state, Set<String> problems) {
    if (state.getMaxParallelism() != ExperimentEtlPipeline.MAX_PARALLELISM) {
      problems.add(
          "the operator %s has %d key groups in the running job, and %d in this build: they cannot be changed without resync"
              .formatted(
                  name(state), state.getMaxParallelism(), ExperimentEtlPipeline.MAX_PARALLELISM));
    }
  }

  /** Where the serializers of the state are; null: a handle of a kind that writes none. */
  private static StreamStateHandle header(KeyedStateHandle handle) {
    if (handle instanceof IncrementalRemoteKeyedStateHandle incremental) {
      return incremental.getMetaDataStateHandle();
    }
    return handle instanceof KeyGroupsStateHandle full ? full.getDelegateStateHandle() : null;
  }

  private void checkKeyed(StreamNode node, StreamStateHandle header, Set<String> problems)
      throws IOException {
    KeyedBackendSerializationProxy<Object> written = new KeyedBackendSerializationProxy<>(classes);
    try (var in = header.openInputStream()) {
      written.read(new DataInputViewStreamWrapper(in));
    } catch (FileNotFoundException e) {
      throw e;
    } catch (IOException | RuntimeException e) {
      problems.add(unreadable(node, "its state", e));
      return;
    }
    if (node.getStateKeySerializer() == null) {
      problems.add(
          "the operator %s has keyed state in the running job, and no keys in this build: deploy a build that has them, or read everything again with resync"
              .formatted(node.getOperatorName()));
    } else if (differs(node.getStateKeySerializer(), written.getKeySerializerSnapshot())) {
      problems.add(
          "the operator %s has keys that this build writes differently (%s): deploy a build that keeps them, or read everything again with resync"
              .formatted(
                  node.getOperatorName(), node.getStateKeySerializer().getClass().getSimpleName()));
    }
    checkReadable(node, written.getStateMetaInfoSnapshots(), problems);
  }

  private static <T> boolean differs(
      TypeSerializer<T> serializer, TypeSerializerSnapshot<?> written) {
    @SuppressWarnings("unchecked")
    TypeSerializerSnapshot<T> former = (TypeSerializerSnapshot<T>) written;
    return serializer.snapshotConfiguration().resolveSchemaCompatibility(former).isIncompatible();
  }

  private void checkOperator(StreamNode node, OperatorStateHandle handle, Set<String> problems)
      throws IOException {
    OperatorBackendSerializationProxy written = new OperatorBackendSerializationProxy(classes);
    try (var in = handle.openInputStream()) {
      written.read(new DataInputViewStreamWrapper(in));
    } catch (FileNotFoundException e) {
      throw e;
    } catch (IOException | RuntimeException e) {
      problems.add(unreadable(node, "its state", e));
      return;
    }
    List<StateMetaInfoSnapshot> all = new ArrayList<>(written.getOperatorStateMetaInfoSnapshots());
    all.addAll(written.getBroadcastStateMetaInfoSnapshots());
    checkReadable(node, all, problems);
  }

  private static void checkReadable(
      StreamNode node, List<StateMetaInfoSnapshot> states, Set<String> problems) {
    for (StateMetaInfoSnapshot state : states) {
      for (TypeSerializerSnapshot<?> written : state.getSerializerSnapshotsImmutable().values()) {
        try {
          written.restoreSerializer();
        } catch (RuntimeException e) {
          problems.add(unreadable(node, "its state '" + state.getName() + "'", e));
        }
      }
    }
  }

  private static String unreadable(StreamNode node, String state, Exception e) {
    return "the operator %s cannot read %s (%s): deploy a build that can, or read everything again with resync"
        .formatted(node.getOperatorName(), state, e.getMessage());
  }
}
