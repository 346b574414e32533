package io.experimentetl;

import io.experimentetl.cdc.PostgresSourceSettings;
import io.experimentetl.cdc.ReplicatedBuckets;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.JobConfig;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.model.Change;
import io.experimentetl.model.Finding;
import io.experimentetl.replicate.JoinOperator;
import io.experimentetl.replicate.LookupAnswer;
import io.experimentetl.replicate.LookupFindingsOperator;
import io.experimentetl.replicate.LookupInput;
import io.experimentetl.replicate.LookupMisses;
import io.experimentetl.replicate.LookupOperator;
import io.experimentetl.replicate.ReplicateOperator;
import io.experimentetl.replicate.UserReferences;
import io.experimentetl.warehouse.Warehouse;
import io.experimentetl.warehouse.WarehouseSinks;
import java.util.List;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.types.Either;

/**
 * The part of the job graph that copies tables as they are.
 *
 * <pre>
 *  route --by row--> replicate --+--> tables without lookups
 *                                +--by reference--> look-up --by row--+--> join-lookups > tables with lookups
 *                                +--by row----------------------------+         |
 *  users > looked-up-users --by reference--> look-up                            +--by lookup--> missing-lookups > data_inconsistencies
 * </pre>
 *
 * @param users with the deletions of those whose table was truncated
 */
record ReplicatedGraph(
    JobConfig config,
    SingleOutputStreamOperator<Change> routed,
    DataStream<Either<ProgressMarker, Change>> users,
    DataStream<Either<ProgressMarker, Change>> dimensions) {

  /** Writes the tables, and returns the findings about their rows. */
  DataStream<Either<ProgressMarker, Finding>> attach(WarehouseSinks sinks) {
    SingleOutputStreamOperator<Either<ProgressMarker, Finding>> replicated =
        ExperimentEtlPipeline.besideDimensions(
            Uids.REPLICATE,
            routed
                .getSideOutput(ReplicatedBuckets.OUTPUT)
                .keyBy(ReplicatedBuckets::keyOf, Types.STRING),
            dimensions,
            ReplicateOperator.TYPE,
            new ReplicateOperator(
                config.replicate(),
                PostgresSourceSettings.of(config),
                Warehouse.connection(config.clickhouse(), config.clickhouse().database())));
    DataStream<Either<ProgressMarker, Finding>> findings =
        replicated.getSideOutput(ReplicateOperator.findings());
    boolean anyLookup = config.replicate().stream().anyMatch(table -> !table.lookups().isEmpty());
    SingleOutputStreamOperator<LookupMisses> joined = anyLookup ? joined(replicated) : null;
    for (int i = 0; i < sinks.replicated().size(); i++) {
      ReplicatedTable table = config.replicate().get(i);
      sinks
          .commit()
          .add(
              (table.lookups().isEmpty() ? replicated : joined)
                  .getSideOutput(ReplicateOperator.outputOf(table)),
              sinks.replicated().get(i));
    }
    return joined == null
        ? findings
        : findings.union(
            joined
                .keyBy(LookupMisses::lookup, Types.STRING)
                .transform(
                    Uids.MISSING_LOOKUPS,
                    ReplicateOperator.TYPE,
                    new LookupFindingsOperator(config.replicate()))
                .uid(Uids.MISSING_LOOKUPS));
  }

  private SingleOutputStreamOperator<LookupMisses> joined(
      SingleOutputStreamOperator<Either<ProgressMarker, Finding>> replicated) {
    List<ReplicatedTable> tables = config.replicate();
    DataStream<LookupInput> inputs = replicated.getSideOutput(ReplicateOperator.lookups());
    UserReferences ofUsers = new UserReferences(tables);
    if (ofUsers.isNeeded()) {
      inputs =
          inputs.union(
              users
                  .flatMap(ofUsers, TypeInformation.of(LookupInput.class))
                  .name(Uids.LOOKED_UP_USERS)
                  .uid(Uids.LOOKED_UP_USERS)
                  // In the order of the source.
                  .setParallelism(1));
    }
    SingleOutputStreamOperator<Either<Change, LookupAnswer>> answers =
        ExperimentEtlPipeline.besideDimensions(
            Uids.LOOK_UP,
            inputs.keyBy(LookupInput::keyOf, Types.STRING),
            dimensions,
            JoinOperator.INPUT,
            new LookupOperator(tables, config.findings().grace()));
    return ExperimentEtlPipeline.besideDimensions(
        Uids.JOIN_LOOKUPS,
        replicated
            .getSideOutput(ReplicateOperator.rows())
            .union(answers)
            .keyBy(JoinOperator::keyOf, Types.STRING),
        dimensions,
        JoinOperator.TYPE,
        new JoinOperator(tables));
  }
}
