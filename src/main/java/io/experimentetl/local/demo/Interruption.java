package io.experimentetl.local.demo;

/** The interruptions of the job during a load, in the order of the run. */
enum Interruption {
  TASKMANAGER("TaskManager killed (SIGKILL)"),
  REDEPLOY("redeployed by savepoint"),
  CLICKHOUSE("ClickHouse killed (SIGKILL)");

  final String sentence;

  Interruption(String sentence) {
    this.sentence = sentence;
  }
}
