/**
 * What the engineer on call runs against any servers: the verbs of {@code java -jar
 * experiment-etl.jar}. They speak to Flink by its REST interface and to PostgreSQL and ClickHouse
 * by JDBC. They run without Flink's classes.
 */
package io.experimentetl.operations;
