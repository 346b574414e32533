package io.experimentetl.operations;

import io.experimentetl.config.SourceConfig;
import io.experimentetl.config.SourceType;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the servers say and the job cannot, for Prometheus: also while the job is down. The servers
 * are asked side by side. One that does not answer in time costs only its own metrics, and {@code
 * etl_up} is 0. A server has at most one unanswered look, however often it is asked.
 */
public final class ServerMetrics {
  /** The media type of Prometheus' text. */
  public static final String MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8";

  private static final Logger LOG = LoggerFactory.getLogger(ServerMetrics.class);

  /** Below Prometheus' own time-out, 10 s. */
  private static final Duration DEADLINE = Duration.ofSeconds(6);

  private final List<Server> servers = new ArrayList<>();
  private final Duration deadline;

  /** One look at a server. */
  @FunctionalInterface
  interface Look {
    /**
     * Reads the metrics.
     *
     * @throws SQLException if the server does not answer
     * @throws OperationsException if the server does not answer
     */
    MetricSamples read() throws SQLException;
  }

  /** The metrics of a deployment's PostgreSQL, ClickHouse and Flink. Connects to nothing yet. */
  public static ServerMetrics of(Databases databases, FlinkEndpoint flink) {
    return of(databases, flink, DEADLINE);
  }

  static ServerMetrics of(Databases databases, FlinkEndpoint flink, Duration deadline) {
    // One question that takes long leaves the others their time.
    Duration ofQuestion = deadline.dividedBy(2);
    Map<String, Look> looks = new LinkedHashMap<>();
    SourceConfig source = databases.config().source();
    if (source.type() == SourceType.POSTGRES || source.watchesTopics()) {
      looks.put("postgres", new PostgresMetrics(databases, ofQuestion));
    }
    looks.put("clickhouse", new ClickHouseMetrics(databases, ofQuestion));
    looks.put("flink", new FlinkMetrics(flink));
    return new ServerMetrics(looks, deadline);
  }

  ServerMetrics(Map<String, Look> looks, Duration deadline) {
    looks.forEach((name, look) -> servers.add(new Server(name, look)));
    this.deadline = deadline;
  }

  /** Asks all servers, and writes what they answer within the deadline. */
  public void write(PrometheusText out) {
    List<CompletableFuture<MetricSamples>> asked = new ArrayList<>();
    servers.forEach(server -> asked.add(server.ask()));
    long end = System.nanoTime() + deadline.toNanos();
    List<MetricSamples> all = new ArrayList<>();
    MetricSamples up = new MetricSamples();
    all.add(up);
    for (int i = 0; i < servers.size(); i++) {
      Server server = servers.get(i);
      String problem = null;
      try {
        all.add(asked.get(i).get(Math.max(1, end - System.nanoTime()), TimeUnit.NANOSECONDS));
      } catch (TimeoutException e) {
        problem = "no answer within " + deadline.toMillis() + " ms";
      } catch (ExecutionException e) {
        problem = String.valueOf(e.getCause().getMessage());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new OperationsException("interrupted while waiting for " + server.name, e);
      }
      up.add(ServerMetric.UP, problem == null ? 1 : 0, "server", server.name);
      server.found(problem);
    }
    MetricSamples.write(all, out);
  }

  private static final class Server {
    private final String name;
    private final Look look;
    private CompletableFuture<MetricSamples> unanswered;
    private String problem;

    Server(String name, Look look) {
      this.name = name;
      this.look = look;
    }

    /** In a thread of its own: a server that hangs must not delay the others. */
    synchronized CompletableFuture<MetricSamples> ask() {
      if (unanswered != null && !unanswered.isDone()) {
        return unanswered;
      }
      CompletableFuture<MetricSamples> answer = new CompletableFuture<>();
      Thread thread =
          new Thread(
              () -> {
                try {
                  answer.complete(look.read());
                } catch (SQLException | RuntimeException e) {
                  answer.completeExceptionally(e);
                }
              },
              "metrics-" + name);
      thread.setDaemon(true);
      thread.start();
      unanswered = answer;
      return answer;
    }

    /** Logs a problem when it begins, not with every scrape. */
    synchronized void found(String now) {
      if (!Objects.equals(now, problem)) {
        if (now != null) {
          LOG.warn("The metrics of {} are absent: {}", name, now);
        } else {
          LOG.info("The metrics of {} are there again.", name);
        }
      }
      problem = now;
    }
  }
}
