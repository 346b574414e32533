package io.experimentetl.serve;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.experimentetl.maintenance.Schedule;
import io.experimentetl.maintenance.ScheduledTask;
import io.experimentetl.operations.OperationsException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;

/**
 * The record of every change: one line of JSON before it is made, and one behind it. Lines are
 * appended and never rewritten, and each is on the disk before the change begins.
 */
final class ActionLog {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path file;
  private final Clock clock;

  /** A log in a file, which need not exist yet. */
  ActionLog(Path file, Clock clock) {
    this.file = file;
    this.clock = clock;
  }

  /** The log, ready to be written. */
  ActionLog open() {
    append(Map.of("at", clock.instant().toString(), "who", "serve", "what", "start"));
    return this;
  }

  /**
   * Records that a change begins.
   *
   * @return its id, for {@link #end}
   * @throws OperationsException when it cannot be recorded; the change must not be made then
   */
  String begin(Principal who, String what, Map<String, Object> parameters) {
    String id = UUID.randomUUID().toString();
    Map<String, Object> line = line(id, who.name(), what);
    line.put("role", who.role().text());
    line.put("parameters", parameters);
    append(line);
    return id;
  }

  /** Records how the change ended. */
  void end(String id, Principal who, String what, String outcome) {
    Map<String, Object> line = line(id, who.name(), what);
    line.put("outcome", outcome);
    append(line);
  }

  /** Records a task of the schedule, which has run. */
  void scheduled(ScheduledTask task, Schedule.Outcome outcome) {
    Map<String, Object> line =
        line(UUID.randomUUID().toString(), "schedule", "task " + task.text());
    line.put("outcome", (outcome.succeeded() ? "done: " : "failed: ") + outcome.detail());
    append(line);
  }

  private Map<String, Object> line(String id, String who, String what) {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("at", clock.instant().toString());
    line.put("id", id);
    line.put("who", who);
    line.put("what", what);
    return line;
  }

  private synchronized void append(Map<String, Object> line) {
    try {
      Files.createDirectories(file.toAbsolutePath().getParent());
      ByteBuffer bytes =
          ByteBuffer.wrap((JSON.writeValueAsString(line) + "\n").getBytes(StandardCharsets.UTF_8));
      try (FileChannel channel =
          FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
        while (bytes.hasRemaining()) {
          channel.write(bytes);
        }
        channel.force(true);
      }
    } catch (IOException e) {
      throw new OperationsException(
          "the action log %s cannot be written (%s), so nothing is changed: free its disk, or name another file by serve.action-log"
              .formatted(file, e),
          e);
    }
  }
}
