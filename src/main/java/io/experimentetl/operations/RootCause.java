package io.experimentetl.operations;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * The cause of a stack trace, for people.
 *
 * @param text the message of the innermost exception of experiment-etl, else the innermost
 *     exception's class and message; it may have several lines
 * @param ours whether experiment-etl itself threw it: then the text contains the remedy
 */
public record RootCause(String text, boolean ours) {
  private static final String CAUSED_BY = "Caused by: ";
  private static final Pattern OUR_CLASS = Pattern.compile("^io\\.experimentetl\\.[\\w.$]+: ");

  /** Exceptions whose class adds nothing to their message. */
  private static final Pattern PLAIN_CLASS =
      Pattern.compile("^java\\.lang\\.Illegal(State|Argument)Exception: ");

  /** Parses the output of {@link Throwable#printStackTrace()}, or a plain text. */
  public static RootCause of(String stackTrace) {
    List<String> messages = new ArrayList<>();
    StringBuilder message = new StringBuilder();
    boolean inMessage = true;
    for (String line : stackTrace.strip().lines().toList()) {
      if (line.startsWith(CAUSED_BY)) {
        messages.add(message.toString().strip());
        message = new StringBuilder(line.substring(CAUSED_BY.length()));
        inMessage = true;
      } else if (line.startsWith("\tat ") || line.startsWith("\t...")) {
        inMessage = false;
      } else if (inMessage) {
        message.append(message.isEmpty() ? "" : "\n").append(line);
      }
    }
    messages.add(message.toString().strip());
    for (int i = messages.size() - 1; i >= 0; i--) {
      if (OUR_CLASS.matcher(messages.get(i)).find()) {
        return new RootCause(OUR_CLASS.matcher(messages.get(i)).replaceFirst(""), true);
      }
    }
    String last = messages.get(messages.size() - 1);
    return new RootCause(PLAIN_CLASS.matcher(last).replaceFirst(""), false);
  }

  public String firstLine() {
    return text.lines().findFirst().orElse("");
  }
}
