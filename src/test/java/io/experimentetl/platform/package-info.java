/**
 * Real servers on one machine, without Docker: PostgreSQL, ClickHouse, Kafka and a Flink cluster,
 * each as a process of its own with its own directory and free ports. The same code serves the
 * integration tests (through {@link io.experimentetl.platform.PlatformExtension}) and the launcher
 * {@code ./etl} (through {@link io.experimentetl.platform.Platform}).
 */
package io.experimentetl.platform;
