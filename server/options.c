#include "server/options.h"

#include <argp.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "far/address_options.h"
#include "far/arguments.h"
#include "server/io_threads.h"
#include "server/placement.h"

#define STATS_INTERVAL_MIN_NS 100000000U
#define STATS_INTERVAL_MAX_NS (24 * 3600000000000U)
#define CONFIG_DEFAULT "/etc/farfs/server.conf"

// One option: how it is called in both places, and how its value is understood. `wrong` (256 bytes) gets what a value must be.
struct setting {
	const char *name;
	int (*set)(struct options *options, const char *value, char *wrong);
	int key;
	const char *argument;
	const char *help;
};

// --- values ---

static int parse_size(const char *text, uint64_t *size)
{
	static const char suffixes[] = "KMGT";
	char *end;
	unsigned long long number;
	const char *suffix;
	unsigned shift = 0;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno || end == text || text[0] == '-' || text[0] == '+')
		return -EINVAL;
	if (*end) {
		suffix = strchr(suffixes, *end & ~0x20);
		if (!suffix)
			return -EINVAL;
		shift = 10 * (unsigned)(suffix - suffixes + 1);
		end++;
		if (strcmp(end, "iB") == 0)
			end += 2;
	}
	if (*end || number > UINT64_MAX >> shift)
		return -EINVAL;
	*size = (uint64_t)number << shift;
	return 0;
}

static int parse_bounded(const char *value, uint64_t least, uint64_t most, const char *bounds, uint64_t *size, char *wrong)
{
	if (parse_size(value, size) == 0 && *size >= least && *size <= most)
		return 0;
	snprintf(wrong, 256, "give %s, as a number with K, M, G or T", bounds);
	return -EINVAL;
}

static int parse_flag(const char *value, bool *flag, char *wrong)
{
	static const char *const words[2][4] = {{"no", "false", "off", "0"}, {"yes", "true", "on", "1"}};

	for (int side = 0; side < 2; side++)
		for (int i = 0; i < 4; i++)
			if (strcmp(value, words[side][i]) == 0) {
				*flag = side;
				return 0;
			}
	snprintf(wrong, 256, "give yes or no");
	return -EINVAL;
}

// --- settings ---

static int set_listen(struct options *options, const char *value, char *wrong)
{
	struct fabric_error error;

	if (options->listen_count == OPTIONS_LISTEN_MAX) {
		snprintf(wrong, 256, "give at most %d addresses", OPTIONS_LISTEN_MAX);
		return -EINVAL;
	}
	if (fabric_address_parse(value, &options->listen[options->listen_count], &error)) {
		snprintf(wrong, 256, "%.200s", error.text);
		return -EINVAL;
	}
	options->listen_count++;
	return 0;
}

static int add_rdma(struct options *options, const char *name, const char *value, char *wrong)
{
	if (address_options_add(options->rdma, name, value))
		return 0;
	snprintf(wrong, 256, "too long");
	return -EINVAL;
}

static int set_connect(struct options *options, const char *value, char *wrong)
{
	return add_rdma(options, "connect", value, wrong);
}

static int set_device(struct options *options, const char *value, char *wrong)
{
	return add_rdma(options, "device", value, wrong);
}

static int set_port(struct options *options, const char *value, char *wrong)
{
	return add_rdma(options, "port", value, wrong);
}

static int set_gid_index(struct options *options, const char *value, char *wrong)
{
	return add_rdma(options, "gid", value, wrong);
}

static int set_no_shm(struct options *options, const char *value, char *wrong)
{
	return parse_flag(value, &options->has_no_shm, wrong);
}

static int set_pool(struct options *options, const char *value, char *wrong)
{
	return parse_bounded(value, FAR_POOL_MIN, FAR_POOL_MAX, "8M to 16T", &options->server.pool.length, wrong);
}

// A word, and with the first two a size behind a colon.
static int set_hugepages(struct options *options, const char *value, char *wrong)
{
	static const char *const words[] = {
	        [POOL_HUGEPAGES_TRY] = "try", [POOL_HUGEPAGES_REQUIRE] = "require", [POOL_HUGEPAGES_NEVER] = "never"};
	struct pool_options *pool = &options->server.pool;
	const char *colon = strchr(value, ':');
	size_t length = colon ? (size_t)(colon - value) : strlen(value);
	uint64_t size = 2ULL << 20;
	bool is_size = !colon || (parse_size(colon + 1, &size) == 0 && (size == 1ULL << 30 || size == 2ULL << 20));

	for (unsigned i = 0; is_size && i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == length && strncmp(value, words[i], length) == 0 && !(colon && i == POOL_HUGEPAGES_NEVER)) {
			pool->hugepages = (enum pool_hugepages)i;
			pool->hugepage_size = size;
			return 0;
		}
	snprintf(wrong, 256, "give try, require or never, and with the first two a size if you like, such as try:1G or require:2M");
	return -EINVAL;
}

static int set_cpu(struct options *options, const char *value, char *wrong)
{
	CPU_ZERO(&options->cpus);
	if (strcmp(value, "any") == 0 || placement_parse_cpus(value, &options->cpus) == 0)
		return 0;
	snprintf(wrong, 256, "give numbers of CPUs and ranges of them, such as 2 or 0-3,8, or any");
	return -EINVAL;
}

static int set_io_threads(struct options *options, const char *value, char *wrong)
{
	uint64_t count = 0;

	if (strcmp(value, "auto") != 0 && parse_bounded(value, 1, IO_THREADS_MAX, "", &count, wrong)) {
		snprintf(wrong, 256, "give a number from 1 to %u, or auto", IO_THREADS_MAX);
		return -EINVAL;
	}
	options->io_threads = (unsigned)count;
	return 0;
}

static int set_numa(struct options *options, const char *value, char *wrong)
{
	struct pool_options *pool = &options->server.pool;
	uint64_t node = 0;

	options->is_numa_auto = strcmp(value, "auto") == 0;
	pool->numa = POOL_NUMA_ANY;
	if (options->is_numa_auto || strcmp(value, "any") == 0)
		return 0;
	if (parse_bounded(value, 0, CPU_SETSIZE - 1, "", &node, wrong)) {
		snprintf(wrong, 256, "give the number of a NUMA node, auto or any");
		return -EINVAL;
	}
	pool->numa = POOL_NUMA_BIND;
	pool->numa_node = (int)node;
	return 0;
}

static int set_probing(struct options *options, const char *value, char *wrong)
{
	static const char *const words[] = {[LOAD_PROBING_AUTO] = "auto", [LOAD_PROBING_ALWAYS] = "always", [LOAD_PROBING_NEVER] = "never"};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(value, words[i]) == 0) {
			options->server.probing = (enum load_probing)i;
			return 0;
		}
	snprintf(wrong, 256, "give auto, always or never");
	return -EINVAL;
}

static int set_full(struct options *options, const char *value, char *wrong)
{
	options->server.is_evicting = strcmp(value, "evict") == 0;
	if (options->server.is_evicting || strcmp(value, "enospc") == 0)
		return 0;
	snprintf(wrong, 256, "give enospc or evict");
	return -EINVAL;
}

static int set_prefault(struct options *options, const char *value, char *wrong)
{
	return parse_flag(value, &options->server.pool.is_prefaulted, wrong);
}

static int set_strict_shm(struct options *options, const char *value, char *wrong)
{
	bool is_strict;
	int error = parse_flag(value, &is_strict, wrong);

	if (!error)
		options->server.pool.is_shared = !is_strict;
	return error;
}

static int set_message_size(struct options *options, const char *value, char *wrong)
{
	uint64_t size;
	int error = parse_bounded(value, FAR_MESSAGE_SIZE_MIN, FAR_MESSAGE_SIZE_MAX, "8K to 64K", &size, wrong);

	if (!error)
		options->server.message_size = (uint32_t)size & ~7U;
	return error;
}

static int set_eager_limit(struct options *options, const char *value, char *wrong)
{
	uint64_t size;
	int error = parse_bounded(value, FAR_BLOCK_MAX, FAR_MESSAGE_SIZE_MAX, "4K to 64K", &size, wrong);

	if (!error)
		options->server.eager_limit = (uint32_t)size;
	return error;
}

// HOST:PORT, or off. What a provider's address has to be is the same for both parts.
static int set_metrics(struct options *options, const char *value, char *wrong)
{
	struct fabric_error error;
	const char *colon = strrchr(value, ':');
	char text[300];

	options->metrics = (struct fabric_address){.host = ""};
	if (strcmp(value, "off") == 0)
		return 0;
	if (!colon || strchr(colon, ']') || strstr(value, "://") || strchr(value, '?')) {
		snprintf(wrong, 256, "give HOST:PORT, such as 127.0.0.1:9440 or [::]:9440, or off");
		return -EINVAL;
	}
	snprintf(text, sizeof(text), "tcp://%.280s", value);
	if (fabric_address_parse(text, &options->metrics, &error) == 0)
		return 0;
	options->metrics.host[0] = '\0';
	snprintf(wrong, 256, "%.200s", error.text);
	return -EINVAL;
}

// A time with its unit, or off.
static int set_stats_interval(struct options *options, const char *value, char *wrong)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {{"s", 1000000000U}, {"ms", 1000000U}, {"m", 60000000000U}, {"h", 3600000000000U}};
	char *end;
	unsigned long long number;

	options->stats_interval_ns = 0;
	if (strcmp(value, "off") == 0)
		return 0;
	errno = 0;
	number = strtoull(value, &end, 10);
	for (size_t i = 0; !errno && *value >= '0' && *value <= '9' && i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name) != 0 || number > STATS_INTERVAL_MAX_NS / units[i].ns ||
		        number * units[i].ns < STATS_INTERVAL_MIN_NS)
			continue;
		options->stats_interval_ns = number * units[i].ns;
		return 0;
	}
	snprintf(wrong, 256, "give a time from 100ms to 24h with its unit, such as 10s or 5m, or off");
	return -EINVAL;
}

static int set_log_level(struct options *options, const char *value, char *wrong)
{
	if (log_parse_level(value, &options->log_level) == 0)
		return 0;
	snprintf(wrong, 256, "give error, warning, info or debug");
	return -EINVAL;
}

static int set_ready_fd(struct options *options, const char *value, char *wrong)
{
	uint64_t fd;
	int error = parse_bounded(value, 0, 1 << 20, "the number of an open descriptor", &fd, wrong);

	if (!error)
		options->ready_fd = (int)fd;
	return error;
}

static const struct setting settings[] = {
        {"listen", set_listen, 'l', "ADDRESS",
                "Listen on tcp://HOST:PORT, rdma://HOST:PORT[?connect=cm|socket&device=NAME&port=N&gid=N&depth=N&receives=N] or "
                "shm:///PATH.sock; may be given more than once, and then replaces the "
                "default tcp://127.0.0.1:7440. Each "
                "port also gets the shared-memory socket that clients of this host find by it. There is no authentication yet: whoever "
                "reaches "
                "an address can read and write"},
        {"connect", set_connect, 'C', "cm|socket",
                "Of each rdma address: how its lanes are connected, by the connection manager or over a socket (default: cm)"},
        {"device", set_device, 'D', "NAME", "Of each rdma address: the device (default: chosen by a rule, see far-server(8))"},
        {"port", set_port, 'O', "N", "Of each rdma address: the device's port (default: one whose link is up)"},
        {"gid-index", set_gid_index, 'G', "N",
                "Of each rdma address: the index in the port's table of GIDs, with connect=socket (default: chosen)"},
        {"no-shm", set_no_shm, 'S', NULL, "Do not offer shared memory beside tcp and rdma ports (default: offer it)"},
        {"strict-shm", set_strict_shm, 's', NULL,
                "Let shared-memory clients only read the pool and write for them: slower, but then not even a faulty program of this user "
                "can damage it (default: programs of this user and root write where they were granted memory)"},
        {"pool", set_pool, 'p', "SIZE", "Memory for all objects, 8M to 16T (default: 1G)"},
        {"full", set_full, 'F', "enospc|evict",
                "When the pool is full: refuse what needs memory, or evict files that have not been used for long and are neither open nor "
                "pinned (default: enospc)"},
        {"hugepages", set_hugepages, 'H', "try|require|never[:2M|1G]",
                "Huge pages for the pool: take them if there are any, insist, or do without (default: try); of 2 MiB, or first of 1 GiB"},
        {"io-threads", set_io_threads, 'T', "N|auto",
                "Threads that serve tcp lanes, 1 to 64; other lanes are served by the first of them (default: auto, 1 below 8 CPUs, then "
                "one "
                "for 4, at most 4)"},
        {"cpu", set_cpu, 'U', "LIST", "Run the I/O threads on these CPUs alone, such as 2 or 0-3,8, or on any (default: any)"},
        {"numa", set_numa, 'N', "NODE|auto|any",
                "Memory of the pool: on this NUMA node alone, on that of the CPUs given with --cpu while it has some, or on any (default: "
                "auto)"},
        {"prefault", set_prefault, 'f', NULL, "Touch the whole pool at the start, so that no write waits for memory later (default: no)"},
        {"message-size", set_message_size, 'm', "SIZE", "Largest message, 8K to 64K (default: 8K)"},
        {"eager-limit", set_eager_limit, 'e', "SIZE",
                "Largest value that travels inside a message; larger ones go directly between buffers (default: what a message holds)"},
        {"probing", set_probing, 'P', "auto|always|never",
                "Let clients that look for a key find it in the server's memory by themselves, in one round trip more and without the "
                "server's processor: while the server is "
                "busy, in any case, or never (default: auto)"},
        {"metrics", set_metrics, 'M', "HOST:PORT",
                "Tell what the server does over HTTP: /metrics for Prometheus, and /healthz. Whoever reaches the port can read both "
                "(default: off)"},
        {"stats-interval", set_stats_interval, 'i', "TIME",
                "Log a line of figures so often: operations and bytes per second, latencies, sessions, memory. 100ms to 24h, with its "
                "unit "
                "(default: off)"},
        {"log-level", set_log_level, 'v', "LEVEL", "error, warning, info or debug (default: info)"},
        {"ready-fd", set_ready_fd, 'R', "FD",
                "When ready, write the bound addresses to this descriptor, one a line, then the line `ready', and close it (default: "
                "none)"},
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

// --- the two sources ---

struct parsing {
	struct options *options;
	const char *config; // path of the file, NULL = the default one if it is there
	bool is_first_pass; // looks for --config only
	char wrong[256];    // what is wrong in the file
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct parsing *parsing = state->input;
	char wrong[256];

	if (key == 'c') {
		parsing->config = argument;
		return 0;
	}
	if (key == 'V') {
		puts("far-server " FAR_VERSION);
		exit(0);
	}
	if (key == ARGP_KEY_ARG)
		argp_failure(state, argp_err_exit_status, 0, "%s: there are no arguments, only options; `%s --help' lists them", argument,
		        state->name);
	for (size_t i = 0; i < SETTINGS; i++) {
		if (settings[i].key != key)
			continue;
		if (!parsing->is_first_pass && settings[i].set(parsing->options, argument ? argument : "yes", wrong))
			argp_failure(state, argp_err_exit_status, 0, "--%s: %s: %s", settings[i].name, argument, wrong);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

// A line of the file. 0 stops with an error (libinih's convention).
static int parse_line(void *context, const char *section, const char *name, const char *value)
{
	struct parsing *parsing = context;
	char wrong[256];

	if (section[0] && strcmp(section, "server") != 0) {
		snprintf(parsing->wrong, sizeof(parsing->wrong), "section [%.40s]: only [server] is known", section);
		return 0;
	}
	for (size_t i = 0; i < SETTINGS; i++) {
		if (strcmp(settings[i].name, name) != 0)
			continue;
		if (settings[i].set(parsing->options, value, wrong) == 0)
			return 1;
		snprintf(parsing->wrong, sizeof(parsing->wrong), "%.40s: %.60s: %.120s", name, value, wrong);
		return 0;
	}
	snprintf(parsing->wrong, sizeof(parsing->wrong), "%.40s: no such option; far-server --help names them", name);
	return 0;
}

// Returns the number of the first bad line, 0 if all are good, or a negative errno. A directory opens like a file and fails only when read.
static int read_file(const char *path, struct parsing *parsing)
{
	FILE *file = fopen(path, "re");
	int line;

	if (!file)
		return -errno;
	line = ini_parse_file(file, parse_line, parsing);
	if (ferror(file))
		line = -errno;
	fclose(file);
	return line;
}

static void parse_file(struct parsing *parsing)
{
	const char *path = parsing->config ? parsing->config : CONFIG_DEFAULT;
	int line;

	if (!parsing->config && access(path, F_OK))
		return;
	line = read_file(path, parsing);
	if (line == 0)
		return;
	if (line < 0)
		fprintf(stderr, "far-server: cannot read the configuration: %s: %s; name a readable file with --config\n", path,
		        strerror(-line));
	else
		fprintf(stderr, "far-server: configuration: %s:%d: %s\n", path, line,
		        parsing->wrong[0] ? parsing->wrong : "write lines as `name = value'");
	exit(1);
}

static void fill_argp(struct argp_option *table)
{
	for (size_t i = 0; i < SETTINGS; i++)
		table[i] = (struct argp_option){
		        .name = settings[i].name, .key = settings[i].key, .arg = settings[i].argument, .doc = settings[i].help};
	table[SETTINGS] = (struct argp_option){.name = "config",
	        .key = 'c',
	        .arg = "FILE",
	        .doc = "Read options from this INI file, as `name = value' lines with the names above; the command line wins "
	               "(default: " CONFIG_DEFAULT " if it exists)"};
	table[SETTINGS + 1] = (struct argp_option){.name = "version", .key = 'V', .doc = "Print the version"};
}

// What was said of each rdma address becomes part of them. Exits like options_parse.
static void apply_rdma(struct options *options)
{
	bool is_used = false;

	for (int i = 0; i < options->listen_count && options->rdma[0]; i++) {
		struct fabric_address *address = &options->listen[i];
		struct fabric_error error;
		char *text, own[384];

		if (strcmp(address->provider, "rdma") != 0)
			continue;
		is_used = true;
		text = address_options_append(fabric_address_format(address, own), options->rdma);
		if (text && fabric_address_parse(text, address, &error) == 0) {
			free(text);
			continue;
		}
		fprintf(stderr, "far-server: %s\n", text ? error.text : strerror(ENOMEM));
		exit(argp_err_exit_status);
	}
	if (!is_used && options->rdma[0])
		log_warning("only rdma addresses take these options: give one with --listen options=%s", options->rdma);
}

void options_parse(int argc, char **argv, struct options *options)
{
	static struct argp_option table[SETTINGS + 3];
	static const struct arguments_options known = {.own = table};
	static const struct argp argp = {.options = table,
	        .parser = parse_option,
	        .doc = "The FarFS server: holds objects in memory that clients reach as files and by key.\vIt runs in the foreground and "
	               "logs to stderr. SIGTERM and SIGINT stop it."};
	struct parsing parsing = {.options = options, .is_first_pass = true};
	struct options from_file;
	char wrong[ARGUMENTS_WRONG_SIZE];

	*options = (struct options){
	        .server = {.pool = {.length = 1ULL << 30, .is_shared = true}, .message_size = FAR_MESSAGE_SIZE_DEFAULT},
	        .is_numa_auto = true,
	        .log_level = LOG_LEVEL_INFO,
	        .ready_fd = -1,
	};
	argp_err_exit_status = 2;
	argv[0] = program_invocation_short_name;
	fill_argp(table);
	if (arguments_check(&known, argc, argv, wrong)) {
		fprintf(stderr, "far-server: %s\n", wrong);
		exit(argp_err_exit_status);
	}
	argp_parse(&argp, argc, argv, 0, NULL, &parsing);
	parse_file(&parsing);
	from_file = *options;
	parsing.is_first_pass = false;
	options->listen_count = 0;
	options->rdma[0] = '\0';
	argp_parse(&argp, argc, argv, 0, NULL, &parsing);
	if (options->listen_count == 0) {
		memcpy(options->listen, from_file.listen, sizeof(options->listen));
		options->listen_count = from_file.listen_count;
	}
	if (options->rdma[0] == '\0')
		memcpy(options->rdma, from_file.rdma, sizeof(options->rdma));
	if (options->listen_count == 0)
		options->listen[options->listen_count++] =
		        (struct fabric_address){.provider = "tcp", .host = "127.0.0.1", .port = FAR_PORT_DEFAULT};
	apply_rdma(options);
}
