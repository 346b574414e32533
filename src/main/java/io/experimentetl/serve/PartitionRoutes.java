package io.experimentetl.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.maintenance.Partitions;
import io.experimentetl.maintenance.ScheduledTask;
import io.experimentetl.maintenance.Scheduler;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** {@code /api/v1/partitions}. */
final class PartitionRoutes {
  private static final String PATH = "/api/v1/partitions/";
  private static final Field TABLE =
      Field.text("table", "a table that is registered in partition_config; default: all");
  private static final Field DRY_RUN =
      Field.bool("dryRun", "true, the default: nothing is changed");

  private PartitionRoutes() {}

  /** Reads the scheduled tasks. */
  @FunctionalInterface
  interface Tasks {
    List<Map<String, Object>> read() throws SQLException;
  }

  /**
   * The routes. The partitions are asked for at each request: the configuration may change. Long
   * because each operation is declared in one place.
   */
  static List<Route> of(Supplier<Partitions> partitions, Tasks tasks) {
    return List.of(
        Route.get(
            PATH + "health",
            "Per registered table: HEALTHY, CLEANUP_NEEDED or NO_PARTITIONS, with rows, bytes and months ahead.",
            Schema.listOf("tables", health()),
            request -> Map.of("tables", partitions.get().health())),
        Route.get(
            PATH + "list",
            "Every partition with its months, rows and bytes.",
            Schema.listOf("partitions", listed()),
            request ->
                Map.of("partitions", partitions.get().list(request.text("table").orElse(null))),
            TABLE),
        Route.get(
            PATH + "status",
            "The scheduled tasks: when each last ran, how it ended, and when it runs next.",
            Schema.with(Schema.object("enabled:boolean"), "tasks", Schema.array(task())),
            request ->
                Map.of(
                    "enabled",
                    Scheduler.isEnabled(ScheduledTask.DAILY, System.getenv()),
                    "tasks",
                    tasks.read())),
        Route.post(
            PATH + "maintenance",
            "The daily maintenance: creates ahead, analyzes, drops what is old, updates the metadata.",
            Schema.with(Schema.object("dry_run:boolean"), "steps", Schema.array(step())),
            request ->
                Map.of(
                    "dry_run",
                    request.isDryRun(),
                    "steps",
                    partitions
                        .get()
                        .maintain(request.text("table").orElse(null), request.isDryRun())),
            TABLE,
            DRY_RUN),
        Route.post(
            PATH + "create",
            "Makes the missing partitions from the current month on.",
            Schema.listOf("partitions", created()),
            request ->
                Map.of(
                    "partitions",
                    partitions
                        .get()
                        .create(
                            request.text("table").orElse(null),
                            request.integer("monthsAhead").orElse(null))),
            TABLE,
            Field.integer(
                "monthsAhead", "0 to 120; default: future_partitions of partition_config")),
        Route.post(
            PATH + "analyze",
            "Updates the planner's statistics of the table and all its partitions.",
            Schema.listOf("partitions", analyzed()),
            request ->
                Map.of("partitions", partitions.get().analyze(request.text("table").orElse(null))),
            TABLE),
        Route.post(
            PATH + "vacuum",
            "Vacuums and analyzes every partition; full rewrites and locks each.",
            Schema.listOf(
                "statements",
                Schema.object("statement:string", "millis:integer", "warning:string?")),
            request ->
                Map.of(
                    "statements",
                    partitions
                        .get()
                        .vacuum(request.text("table").orElse(null), request.bool("full", false))),
            TABLE,
            Field.bool("full", "true: VACUUM FULL; default: false")),
        Route.post(
            PATH + "cleanup",
            "Drops the partitions of which all rows are older than the retention, never one with a row that ClickHouse may not have.",
            Schema.with(Schema.object("dry_run:boolean"), "partitions", Schema.array(dropped())),
            request ->
                Map.of(
                    "dry_run",
                    request.isDryRun(),
                    "partitions",
                    partitions
                        .get()
                        .drop(
                            request.text("table").orElse(null),
                            request.integer("retentionMonths").orElse(null),
                            request.isDryRun())),
            TABLE,
            Field.integer(
                "retentionMonths",
                "whole months; default: the policy of partition_config, and less is refused"),
            DRY_RUN));
  }

  private static ObjectNode health() {
    return Schema.object(
        "table_name:string",
        "total_partitions:integer",
        "total_rows:integer",
        "total_size_bytes:integer",
        "oldest_partition:string?",
        "newest_partition:string?",
        "partitions_pending_cleanup:integer",
        "default_rows:integer",
        "months_ahead:integer",
        "status:string");
  }

  private static ObjectNode listed() {
    return Schema.object(
        "parent_table:string",
        "partition_name:string",
        "partition_date:string?",
        "starts_at:string?",
        "ends_at:string?",
        "is_default:boolean",
        "row_count:integer",
        "size_bytes:integer");
  }

  private static ObjectNode task() {
    return Schema.object(
        "task:string",
        "cron:string",
        "due_at:string",
        "next_at:string",
        "started_at:string?",
        "finished_at:string?",
        "outcome:string",
        "detail:string?",
        "runner:string?");
  }

  private static ObjectNode step() {
    return Schema.object(
        "parent_table:string",
        "task:string",
        "partition_name:string?",
        "outcome:string",
        "detail:string?");
  }

  private static ObjectNode created() {
    return Schema.object(
        "parent_table:string",
        "partition_name:string",
        "partition_date:string",
        "outcome:string",
        "moved_rows:integer");
  }

  private static ObjectNode analyzed() {
    return Schema.object(
        "parent_table:string", "partition_name:string", "row_count:integer", "analyzed_at:string");
  }

  private static ObjectNode dropped() {
    return Schema.object(
        "parent_table:string",
        "partition_name:string",
        "partition_date:string?",
        "row_count:integer",
        "size_bytes:integer",
        "outcome:string",
        "reason:string?");
  }
}
