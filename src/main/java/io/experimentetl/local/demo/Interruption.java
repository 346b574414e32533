package io.experimentetl.local.demo;

/** What happens to the job in the middle of a load. The order is that of the run. */
enum Interruption {
  TASKMANAGER("TaskManager killed (SIGKILL)"),
  REDEPLOY("redeployed by savepoint"),
  CLICKHOUSE("ClickHouse killed (SIGKILL)");

  final String sentence;

  Interruption(String sentence) {
    this.sentence = sentence;
  }
}
