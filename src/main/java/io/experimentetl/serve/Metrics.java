package io.experimentetl.serve;

import io.experimentetl.operations.PrometheusText;
import io.experimentetl.operations.ServerMetrics;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.LongAdder;

/** What {@code GET /metrics} shows, in Prometheus' text format. */
final class Metrics {
  static final String CONTENT_TYPE = ServerMetrics.MEDIA_TYPE;

  /** Adds its present values; called at each scrape, on the thread of the request. */
  @FunctionalInterface
  interface Source {
    void write(PrometheusText out);
  }

  private record Requests(String method, String path, int status) {}

  private final List<Source> sources = new CopyOnWriteArrayList<>();
  private final Map<Requests, LongAdder> requests = new ConcurrentHashMap<>();

  Metrics() {
    add(this::writeRequests);
  }

  /** Adds metrics. */
  void add(Source source) {
    sources.add(source);
  }

  /**
   * Counts a request.
   *
   * @param path of its route, so that the number of series is bounded
   */
  void count(String method, String path, int status) {
    requests
        .computeIfAbsent(new Requests(method, path, status), key -> new LongAdder())
        .increment();
  }

  /** The values of now. */
  String text() {
    PrometheusText out = new PrometheusText();
    sources.forEach(source -> source.write(out));
    return out.toString();
  }

  private void writeRequests(PrometheusText out) {
    out.counter("etl_serve_requests_total", "Requests that serve has answered.");
    requests.forEach(
        (key, count) ->
            out.sample(
                (double) count.sum(),
                "method",
                key.method.toUpperCase(Locale.ROOT),
                "path",
                key.path,
                "status",
                Integer.toString(key.status)));
  }
}
