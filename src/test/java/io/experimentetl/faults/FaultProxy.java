package io.experimentetl.faults;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * A TCP proxy on a port of 127.0.0.1 that passes everything on until it is told to fail. It
 * outlives its clients and its server: they may come and go.
 *
 * <p>Two kinds of faults: those of the line, which concern any protocol and connections that are
 * open already ({@link #line}, {@link #hangUp}, {@link #hangUpAfter}), and those of single HTTP
 * requests ({@link #next}). A connection whose first bytes aren't of an HTTP request knows the
 * first kind only. All methods may be called from any thread at any time.
 */
public final class FaultProxy implements AutoCloseable {

  /** Which way data goes. */
  public enum Direction {
    TO_SERVER,
    TO_CLIENT
  }

  private static final int BACKLOG = 200;

  private final ServerSocket front;
  private final InetSocketAddress server;
  private final Set<Link> links = new LinkedHashSet<>();
  private final List<Armed> armed = new ArrayList<>();
  private Condition condition = Condition.GOOD;
  private Countdown countdown;
  private boolean closed;
  private long connections;
  private long refused;
  private long hungUp;
  private long requests;
  private long answers;
  private long underWay;
  private long hurries;
  private long faults;
  private long bytesToServer;
  private long bytesToClient;

  private static final class Armed {
    private final RequestFault fault;
    private final String inHead;
    private int left;

    Armed(RequestFault fault, String inHead, int left) {
      this.fault = fault;
      this.inHead = inHead;
      this.left = left;
    }
  }

  private static final class Countdown {
    private final Direction direction;
    private final Hangup hangup;
    private long bytes;

    Countdown(Direction direction, long bytes, Hangup hangup) {
      this.direction = direction;
      this.bytes = bytes;
      this.hangup = hangup;
    }
  }

  private FaultProxy(InetSocketAddress server) throws IOException {
    this.server = server;
    this.front = new ServerSocket(0, BACKLOG, InetAddress.getLoopbackAddress());
  }

  /**
   * Starts a proxy on a free port.
   *
   * @param host of the server, which needn't run yet
   */
  public static FaultProxy to(String host, int port) {
    try {
      FaultProxy proxy = new FaultProxy(new InetSocketAddress(host, port));
      start("fault-proxy", proxy::accept);
      return proxy;
    } catch (IOException e) {
      throw new UncheckedIOException("no proxy to " + host + ":" + port, e);
    }
  }

  /** Starts a proxy on a free port in front of the server of this URL. */
  public static FaultProxy to(URI server) {
    return to(server.getHost(), server.getPort());
  }

  /** The port of 127.0.0.1 that clients connect to. */
  public int port() {
    return front.getLocalPort();
  }

  /** For clients that speak HTTP. */
  public URI url() {
    return URI.create("http://127.0.0.1:" + port());
  }

  // The line.

  /** From now on the line is like this, for open connections too. */
  public synchronized void line(Condition newCondition) {
    condition = newCondition;
    notifyAll();
  }

  /** Ends all open connections at once. */
  public void hangUp(Hangup hangup) {
    for (Link link : openLinks()) {
      link.hangUp(hangup);
    }
  }

  /**
   * When so many more bytes have passed in a direction, counted over all connections, the
   * connection that carries the last of them is ended. Replaces what was asked for before.
   */
  public synchronized void hangUpAfter(Direction direction, long bytes, Hangup hangup) {
    countdown = new Countdown(direction, bytes, hangup);
  }

  // Requests.

  /** The next HTTP request has this fault. */
  public void next(RequestFault fault) {
    next(1, "", fault);
  }

  /**
   * The next requests that match have this fault. Faults are tried in the order in which they were
   * given.
   *
   * @param times how many requests; {@link Integer#MAX_VALUE}: all until {@link #heal}
   * @param inHead what the request's head, its line and headers, must contain
   */
  public synchronized void next(int times, String inHead, RequestFault fault) {
    armed.add(new Armed(fault, inHead, times));
  }

  /** What is held back for a time goes on at once. */
  public synchronized void hurry() {
    hurries++;
    notifyAll();
  }

  /** No faults from now on. Requests that have one already keep it. */
  public synchronized void heal() {
    condition = Condition.GOOD;
    countdown = null;
    armed.clear();
    notifyAll();
  }

  /** Faults that were asked for and that no request has met yet. */
  public synchronized int armed() {
    return armed.stream().mapToInt(fault -> fault.left).sum();
  }

  public synchronized ProxyCounts counts() {
    return new ProxyCounts(
        connections, refused, hungUp, requests, answers, faults, bytesToServer, bytesToClient);
  }

  /** Requests that are delayed or delivered twice and that the server hasn't answered yet. */
  public synchronized long underWay() {
    return underWay;
  }

  /** Connections that are open now. */
  public synchronized int open() {
    return links.size();
  }

  // What links ask for.

  synchronized RequestFault faultFor(String head) {
    requests++;
    for (Iterator<Armed> candidates = armed.iterator(); candidates.hasNext(); ) {
      Armed candidate = candidates.next();
      if (head.contains(candidate.inHead)) {
        faults++;
        if (candidate.left != Integer.MAX_VALUE && --candidate.left == 0) {
          candidates.remove();
        }
        return candidate.fault;
      }
    }
    return null;
  }

  /** Waits for as long as a request's own fault says, less if the proxy is closed. */
  synchronized void pause(Duration duration) throws InterruptedException {
    long before = hurries;
    long end = System.nanoTime() + duration.toNanos();
    for (long left = duration.toNanos();
        left > 0 && !closed && hurries == before;
        left = end - System.nanoTime()) {
      wait(left / 1_000_000, (int) (left % 1_000_000));
    }
  }

  /**
   * Waits until some of the bytes may pass.
   *
   * @param link the link they belong to; null: none any more
   * @return how many, at least one
   * @throws IOException if none may pass any more: the link has been hung up on
   */
  synchronized int admit(Link link, Direction direction, int bytes)
      throws IOException, InterruptedException {
    if (!condition.delay().isZero()) {
      pauseWhileUnhealed(condition.delay());
    }
    while (condition.stalled() && !closed && (link == null || !link.isClosed())) {
      wait();
    }
    int admitted = bytes;
    if (condition.bytesPerSecond() > 0) {
      long tenth = Math.max(1, condition.bytesPerSecond() / 10);
      admitted = (int) Math.min(bytes, tenth);
      pauseWhileUnhealed(Duration.ofNanos(admitted * 1_000_000_000L / condition.bytesPerSecond()));
    }
    if (link != null && countdown != null && countdown.direction == direction) {
      if (countdown.bytes == 0) {
        Hangup hangup = countdown.hangup;
        countdown = null;
        link.hangUp(hangup);
      } else {
        admitted = (int) Math.min(admitted, countdown.bytes);
        countdown.bytes -= admitted;
      }
    }
    if (closed || (link != null && link.isClosed())) {
      throw new IOException("hung up");
    }
    if (direction == Direction.TO_SERVER) {
      bytesToServer += admitted;
    } else {
      bytesToClient += admitted;
    }
    return admitted;
  }

  /**
   * Waits until all of these bytes to the server may pass.
   *
   * @param link the link they belong to; null: none any more
   * @throws IOException if they may not pass any more: the link has been hung up on
   */
  synchronized void admitWhole(Link link, int bytes) throws IOException, InterruptedException {
    if (link != null
        && countdown != null
        && countdown.direction == Direction.TO_SERVER
        && countdown.bytes < bytes) {
      countdown.bytes = 0;
    }
    int left = bytes;
    while (left > 0) {
      left -= admit(link, Direction.TO_SERVER, left);
    }
  }

  private void pauseWhileUnhealed(Duration duration) throws InterruptedException {
    Condition before = condition;
    long end = System.nanoTime() + duration.toNanos();
    for (long left = duration.toNanos();
        left > 0 && !closed && condition.equals(before);
        left = end - System.nanoTime()) {
      wait(left / 1_000_000, (int) (left % 1_000_000));
    }
  }

  synchronized void countHungUp() {
    hungUp++;
  }

  synchronized void setOut() {
    underWay++;
  }

  synchronized void arrive() {
    underWay--;
  }

  synchronized void countAnswer() {
    answers++;
  }

  synchronized void forget(Link link) {
    links.remove(link);
    notifyAll();
  }

  Socket connect() throws IOException {
    Socket socket = new Socket();
    try {
      socket.setTcpNoDelay(true);
      socket.connect(server);
      return socket;
    } catch (IOException e) {
      socket.close();
      throw e;
    }
  }

  static void start(String name, Runnable task) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    thread.start();
  }

  private void accept() {
    while (true) {
      Socket client;
      try {
        client = front.accept();
      } catch (IOException e) {
        return;
      }
      start("fault-proxy-connect", () -> open(client));
    }
  }

  private void open(Socket client) {
    boolean refuse;
    synchronized (this) {
      connections++;
      refuse = condition.refusing() || closed;
    }
    Socket upstream = null;
    if (!refuse) {
      try {
        client.setTcpNoDelay(true);
        upstream = connect();
      } catch (IOException noServer) {
        refuse = true;
      }
    }
    synchronized (this) {
      if (!refuse && !closed) {
        Link link = new Link(this, client, upstream);
        links.add(link);
        link.start();
        return;
      }
      refused++;
    }
    Link.end(client, Hangup.RESET);
    if (upstream != null) {
      Link.end(upstream, Hangup.RESET);
    }
  }

  private synchronized List<Link> openLinks() {
    return new ArrayList<>(links);
  }

  @Override
  public void close() {
    synchronized (this) {
      closed = true;
      notifyAll();
    }
    try {
      front.close();
    } catch (IOException e) {
      throw new UncheckedIOException("the proxy's port can't be closed", e);
    }
    hangUp(Hangup.RESET);
  }

  @Override
  public String toString() {
    return "127.0.0.1:" + port() + " in front of " + server;
  }
}
