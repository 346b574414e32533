package io.experimentetl.faults;

import io.experimentetl.faults.FaultProxy.Direction;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One connection through the proxy: a thread for each direction.
 *
 * <p>The server receives the head of an HTTP request as a whole or not at all, and its side always
 * ends with FIN. The tests' ClickHouse is {@code clickhouse local}, which aborts (exit code 134)
 * when a connection breaks within a head; a normal server answers 400. The client sees no
 * difference.
 */
final class Link {

  private static final int PIECE = 16 << 10;
  private static final int MAX_HEAD = 1 << 20;
  private static final Pattern HTTP = Pattern.compile("(?s)(GET|POST|PUT|HEAD|DELETE|OPTIONS) .*");
  private static final Pattern LENGTH = Pattern.compile("(?im)^content-length: *(\\d+)");

  private final FaultProxy proxy;
  private final Socket client;
  private final Socket server;
  private final AtomicBoolean closed = new AtomicBoolean();

  /** The fault of the current request's answer; null: none. */
  private volatile RequestFault answerFault;

  private volatile boolean http;

  private final AtomicLong answerBytes = new AtomicLong();

  Link(FaultProxy proxy, Socket client, Socket server) {
    this.proxy = proxy;
    this.client = client;
    this.server = server;
  }

  void start() {
    FaultProxy.start("fault-proxy-request", () -> run(this::passRequests));
    FaultProxy.start("fault-proxy-answer", () -> run(this::passAnswers));
  }

  boolean isClosed() {
    return closed.get();
  }

  void hangUp(Hangup hangup) {
    if (closed.compareAndSet(false, true)) {
      proxy.countHungUp();
      end(client, hangup);
      end(server, http ? Hangup.FIN : hangup);
      proxy.forget(this);
    }
  }

  private void close() {
    if (closed.compareAndSet(false, true)) {
      end(client, Hangup.FIN);
      end(server, Hangup.FIN);
      proxy.forget(this);
    }
  }

  /** Ends one side, unless it has ended already. */
  static void end(Socket socket, Hangup hangup) {
    try {
      if (hangup == Hangup.RESET) {
        socket.setSoLinger(true, 0);
      } else if (!socket.isOutputShutdown()) {
        socket.shutdownOutput();
      }
    } catch (IOException gone) {
      // The other side was faster.
    }
    try {
      socket.close();
    } catch (IOException gone) {
      // The other side was faster.
    }
  }

  private interface Task {
    void run() throws IOException, InterruptedException;
  }

  /** Ends both sides after an error of one side, as a network would. */
  private void run(Task task) {
    try {
      task.run();
    } catch (IOException gone) {
      close();
    } catch (InterruptedException e) {
      close();
      Thread.currentThread().interrupt();
    }
  }

  // To the client.

  private void passAnswers() throws IOException, InterruptedException {
    InputStream in = server.getInputStream();
    OutputStream out = client.getOutputStream();
    byte[] piece = new byte[PIECE];
    for (int n = in.read(piece); n >= 0; n = in.read(piece)) {
      if (answerBytes.get() == 0 && http) {
        proxy.countAnswer();
      }
      RequestFault fault = answerFault;
      if (fault instanceof RequestFault.DelayAnswer delayed && answerBytes.get() == 0) {
        proxy.pause(delayed.delay());
      }
      int wanted = n;
      if (fault instanceof RequestFault.DropAnswer dropped) {
        wanted = (int) Math.min(n, dropped.passedBytes() - answerBytes.get());
      }
      // Counted first: the client's next request may be here before this thread goes on.
      answerBytes.addAndGet(wanted);
      pass(Direction.TO_CLIENT, piece, wanted, out);
      if (wanted < n && fault instanceof RequestFault.DropAnswer dropped) {
        hangUp(dropped.hangup());
        return;
      }
    }
    close();
  }

  private void pass(Direction direction, byte[] bytes, int length, OutputStream out)
      throws IOException, InterruptedException {
    pass(direction, bytes, 0, length, out);
  }

  private void pass(Direction direction, byte[] bytes, int from, int to, OutputStream out)
      throws IOException, InterruptedException {
    for (int offset = from; offset < to; ) {
      int n = proxy.admit(this, direction, to - offset);
      out.write(bytes, offset, n);
      offset += n;
    }
  }

  private void passHead(byte[] head) throws IOException, InterruptedException {
    proxy.admitWhole(this, head.length);
    server.getOutputStream().write(head);
  }

  // To the server.

  private void passRequests() throws IOException, InterruptedException {
    InputStream in = new BufferedInputStream(client.getInputStream(), PIECE);
    byte[] first = new byte[8];
    in.mark(first.length);
    int n = in.readNBytes(first, 0, first.length);
    in.reset();
    if (HTTP.matcher(text(Arrays.copyOf(first, n))).matches()) {
      http = true;
      boolean more = true;
      while (more) {
        more = passRequest(in);
      }
    } else {
      passRest(in);
    }
    if (!closed.get()) {
      server.shutdownOutput();
    }
  }

  private void passRest(InputStream in) throws IOException, InterruptedException {
    byte[] piece = new byte[PIECE];
    for (int n = in.read(piece); n >= 0; n = in.read(piece)) {
      pass(Direction.TO_SERVER, piece, n, server.getOutputStream());
    }
  }

  /** Forwards a request. Returns whether another one may follow. */
  private boolean passRequest(InputStream in) throws IOException, InterruptedException {
    byte[] head = readHead(in);
    if (head.length == 0) {
      return false;
    }
    String headText = text(head);
    RequestFault fault = proxy.faultFor(headText);
    answerBytes.set(0);
    answerFault = fault;
    if (headText.toLowerCase(Locale.ROOT).contains("\r\ntransfer-encoding:")) {
      passHead(head);
      return passUntilAnswered(in);
    }
    Matcher announced = LENGTH.matcher(headText);
    long body = announced.find() ? Long.parseLong(announced.group(1)) : 0;
    if (fault instanceof RequestFault.CutRequest cut) {
      passUpTo(in, head, cut.position().resolve(head.length, body));
      hangUp(cut.hangup());
      return false;
    }
    if (fault instanceof RequestFault.StallRequest stall) {
      passUpTo(in, head, stall.position().resolve(head.length, body));
      drain(in);
      close();
      return false;
    }
    if (fault instanceof RequestFault.AnswerItself answer) {
      readWhole(in, head, body);
      answer(answer);
      return false;
    }
    if (fault instanceof RequestFault.DelayRequest delayed) {
      return passDelayed(in, head, body, delayed);
    }
    if (fault instanceof RequestFault.DeliverTwice twice) {
      passTwice(in, head, body, twice);
      return true;
    }
    if (fault instanceof RequestFault.WithParameters more) {
      String amended = headText.replaceFirst("\\?", "?" + more.parameters() + "&");
      head = amended.getBytes(StandardCharsets.ISO_8859_1);
    }
    passUpTo(in, head, head.length + body);
    return true;
  }

  /**
   * Forwards a request later. Returns whether another one may follow: not if the client gave up.
   */
  private boolean passDelayed(
      InputStream in, byte[] head, long body, RequestFault.DelayRequest delayed)
      throws IOException, InterruptedException {
    byte[] request = readWhole(in, head, body);
    proxy.startDelivery();
    try {
      proxy.pause(delayed.delay());
      if (hasHungUp(in)) {
        deliverOnOwnConnection(proxy.connect(), request);
        return false;
      }
      passHead(head);
      pass(Direction.TO_SERVER, request, head.length, request.length, server.getOutputStream());
      return true;
    } finally {
      proxy.endDelivery();
    }
  }

  private void passTwice(InputStream in, byte[] head, long body, RequestFault.DeliverTwice twice)
      throws IOException, InterruptedException {
    byte[] request = readWhole(in, head, body);
    Socket copy = proxy.connect();
    proxy.startDelivery();
    if (twice.together()) {
      FaultProxy.start("fault-proxy-copy", () -> deliverCopy(copy, request));
    } else {
      deliverCopy(copy, request);
    }
    passHead(head);
    pass(Direction.TO_SERVER, request, head.length, request.length, server.getOutputStream());
  }

  private void deliverCopy(Socket copy, byte[] request) {
    try {
      deliverOnOwnConnection(copy, request);
    } catch (IOException lost) {
      // The copy is lost; the request itself is not.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      proxy.endDelivery();
    }
  }

  /** Whether the client, which waits for an answer and sends nothing, has hung up. */
  private boolean hasHungUp(InputStream in) throws IOException {
    if (closed.get()) {
      return true;
    }
    client.setSoTimeout(1);
    try {
      in.mark(1);
      boolean gone = in.read() < 0;
      in.reset();
      return gone;
    } catch (SocketTimeoutException waits) {
      return false;
    } catch (IOException reset) {
      return true;
    } finally {
      client.setSoTimeout(0);
    }
  }

  /** Returns at the answer's first byte; with wait_end_of_query the server sends it at the end. */
  private void deliverOnOwnConnection(Socket socket, byte[] request)
      throws IOException, InterruptedException {
    try (socket) {
      proxy.admitWhole(null, request.length);
      socket.getOutputStream().write(request);
      if (socket.getInputStream().read() < 0) {
        throw new IOException("the server hung up without an answer");
      }
      proxy.countAnswer();
    }
  }

  private void answer(RequestFault.AnswerItself answer) throws IOException, InterruptedException {
    byte[] text = answer.text().getBytes(StandardCharsets.UTF_8);
    byte[] head =
        ("HTTP/1.1 %d by the proxy\r\nContent-Type: text/plain\r\nConnection: close\r\n"
                    .formatted(answer.status())
                + "Content-Length: %d\r\n\r\n".formatted(text.length))
            .getBytes(StandardCharsets.US_ASCII);
    OutputStream out = client.getOutputStream();
    pass(Direction.TO_CLIENT, head, head.length, out);
    pass(Direction.TO_CLIENT, text, text.length, out);
    close();
  }

  private void passUpTo(InputStream in, byte[] head, long total)
      throws IOException, InterruptedException {
    OutputStream out = server.getOutputStream();
    if (total < head.length) {
      return;
    }
    passHead(head);
    byte[] piece = new byte[PIECE];
    for (long left = total - head.length; left > 0; ) {
      int n = in.read(piece, 0, (int) Math.min(left, piece.length));
      if (n < 0) {
        return;
      }
      pass(Direction.TO_SERVER, piece, n, out);
      left -= n;
    }
  }

  /** A request without a content length has ended when it is answered and more data arrives. */
  private boolean passUntilAnswered(InputStream in) throws IOException, InterruptedException {
    byte[] piece = new byte[PIECE];
    while (true) {
      in.mark(PIECE);
      int n = in.read(piece);
      if (n < 0) {
        return false;
      }
      if (answerBytes.get() > 0) {
        in.reset();
        return true;
      }
      pass(Direction.TO_SERVER, piece, n, server.getOutputStream());
    }
  }

  private byte[] readWhole(InputStream in, byte[] head, long body) throws IOException {
    ByteArrayOutputStream request = new ByteArrayOutputStream(head.length + (int) body);
    request.write(head);
    byte[] piece = new byte[PIECE];
    for (long left = body; left > 0; ) {
      int n = in.read(piece, 0, (int) Math.min(left, piece.length));
      if (n < 0) {
        throw new IOException("the client hung up within its request");
      }
      request.write(piece, 0, n);
      left -= n;
    }
    return request.toByteArray();
  }

  private void drain(InputStream in) throws IOException {
    byte[] piece = new byte[PIECE];
    int n = in.read(piece);
    while (n >= 0) {
      n = in.read(piece);
    }
  }

  /** Reads up to the empty line. Returns nothing if the client has hung up. */
  private static byte[] readHead(InputStream in) throws IOException {
    byte[] end = {'\r', '\n', '\r', '\n'};
    ByteArrayOutputStream head = new ByteArrayOutputStream();
    int matched = 0;
    while (matched < end.length) {
      int next = in.read();
      if (next < 0 && head.size() == 0) {
        return new byte[0];
      }
      if (next < 0 || head.size() == MAX_HEAD) {
        throw new IOException("not the head of an HTTP request");
      }
      head.write(next);
      matched = next == end[matched] ? matched + 1 : next == '\r' ? 1 : 0;
    }
    return head.toByteArray();
  }

  private static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }
}
