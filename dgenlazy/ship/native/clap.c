/* CLAP 1.2, as its documentation describes it: what of it is used here. */
typedef uint32_t clap_id;

typedef struct clap_version {
    uint32_t major, minor, revision;
} clap_version_t;

typedef struct clap_plugin_descriptor {
    clap_version_t clap_version;
    const char *id, *name, *vendor, *url, *manual_url, *support_url, *version, *description;
    const char *const *features;
} clap_plugin_descriptor_t;

typedef struct clap_host {
    clap_version_t clap_version;
    void *host_data;
    const char *name, *vendor, *url, *version;
    const void *(*get_extension)(const struct clap_host *host, const char *id);
    void (*request_restart)(const struct clap_host *host);
    void (*request_process)(const struct clap_host *host);
    void (*request_callback)(const struct clap_host *host);
} clap_host_t;

typedef struct clap_host_params {
    void (*rescan)(const clap_host_t *host, uint32_t flags);
    void (*clear)(const clap_host_t *host, clap_id id, uint32_t flags);
    void (*request_flush)(const clap_host_t *host);
} clap_host_params_t;

typedef struct clap_audio_buffer {
    float **data32;
    double **data64;
    uint32_t channel_count, latency;
    uint64_t constant_mask;
} clap_audio_buffer_t;

typedef struct clap_event_header {
    uint32_t size, time;
    uint16_t space_id, type;
    uint32_t flags;
} clap_event_header_t;

typedef struct clap_event_note {
    clap_event_header_t header;
    int32_t note_id;
    int16_t port_index, channel, key;
    double velocity;
} clap_event_note_t;

typedef struct clap_event_param_value {
    clap_event_header_t header;
    clap_id param_id;
    void *cookie;
    int32_t note_id;
    int16_t port_index, channel, key;
    double value;
} clap_event_param_value_t;

typedef struct clap_event_midi {
    clap_event_header_t header;
    uint16_t port_index;
    uint8_t data[3];
} clap_event_midi_t;

typedef struct clap_input_events {
    void *ctx;
    uint32_t (*size)(const struct clap_input_events *list);
    const clap_event_header_t *(*get)(const struct clap_input_events *list, uint32_t index);
} clap_input_events_t;

typedef struct clap_output_events {
    void *ctx;
    bool (*try_push)(const struct clap_output_events *list, const clap_event_header_t *event);
} clap_output_events_t;

typedef struct clap_process {
    int64_t steady_time;
    uint32_t frames_count;
    const void *transport;
    const clap_audio_buffer_t *audio_inputs;
    clap_audio_buffer_t *audio_outputs;
    uint32_t audio_inputs_count, audio_outputs_count;
    const clap_input_events_t *in_events;
    const clap_output_events_t *out_events;
} clap_process_t;

typedef struct clap_plugin {
    const clap_plugin_descriptor_t *desc;
    void *plugin_data;
    bool (*init)(const struct clap_plugin *plugin);
    void (*destroy)(const struct clap_plugin *plugin);
    bool (*activate)(const struct clap_plugin *plugin, double sample_rate, uint32_t min_frames, uint32_t max_frames);
    void (*deactivate)(const struct clap_plugin *plugin);
    bool (*start_processing)(const struct clap_plugin *plugin);
    void (*stop_processing)(const struct clap_plugin *plugin);
    void (*reset)(const struct clap_plugin *plugin);
    int32_t (*process)(const struct clap_plugin *plugin, const clap_process_t *process);
    const void *(*get_extension)(const struct clap_plugin *plugin, const char *id);
    void (*on_main_thread)(const struct clap_plugin *plugin);
} clap_plugin_t;

typedef struct clap_plugin_factory {
    uint32_t (*get_plugin_count)(const struct clap_plugin_factory *factory);
    const clap_plugin_descriptor_t *(*get_plugin_descriptor)(const struct clap_plugin_factory *factory, uint32_t index);
    const clap_plugin_t *(*create_plugin)(
        const struct clap_plugin_factory *factory, const clap_host_t *host, const char *plugin_id);
} clap_plugin_factory_t;

typedef struct clap_plugin_entry {
    clap_version_t clap_version;
    bool (*init)(const char *plugin_path);
    void (*deinit)(void);
    const void *(*get_factory)(const char *factory_id);
} clap_plugin_entry_t;

typedef struct clap_audio_port_info {
    clap_id id;
    char name[256];
    uint32_t flags, channel_count;
    const char *port_type;
    clap_id in_place_pair;
} clap_audio_port_info_t;

typedef struct clap_plugin_audio_ports {
    uint32_t (*count)(const clap_plugin_t *plugin, bool is_input);
    bool (*get)(const clap_plugin_t *plugin, uint32_t index, bool is_input, clap_audio_port_info_t *info);
} clap_plugin_audio_ports_t;

typedef struct clap_note_port_info {
    clap_id id;
    uint32_t supported_dialects, preferred_dialect;
    char name[256];
} clap_note_port_info_t;

typedef struct clap_plugin_note_ports {
    uint32_t (*count)(const clap_plugin_t *plugin, bool is_input);
    bool (*get)(const clap_plugin_t *plugin, uint32_t index, bool is_input, clap_note_port_info_t *info);
} clap_plugin_note_ports_t;

typedef struct clap_param_info {
    clap_id id;
    uint32_t flags;
    void *cookie;
    char name[256], module[1024];
    double min_value, max_value, default_value;
} clap_param_info_t;

typedef struct clap_plugin_params {
    uint32_t (*count)(const clap_plugin_t *plugin);
    bool (*get_info)(const clap_plugin_t *plugin, uint32_t index, clap_param_info_t *info);
    bool (*get_value)(const clap_plugin_t *plugin, clap_id id, double *value);
    bool (*value_to_text)(const clap_plugin_t *plugin, clap_id id, double value, char *text, uint32_t capacity);
    bool (*text_to_value)(const clap_plugin_t *plugin, clap_id id, const char *text, double *value);
    void (*flush)(const clap_plugin_t *plugin, const clap_input_events_t *in, const clap_output_events_t *out);
} clap_plugin_params_t;

typedef struct clap_istream {
    void *ctx;
    int64_t (*read)(const struct clap_istream *stream, void *buffer, uint64_t size);
} clap_istream_t;

typedef struct clap_ostream {
    void *ctx;
    int64_t (*write)(const struct clap_ostream *stream, const void *buffer, uint64_t size);
} clap_ostream_t;

typedef struct clap_plugin_state {
    bool (*save)(const clap_plugin_t *plugin, const clap_ostream_t *stream);
    bool (*load)(const clap_plugin_t *plugin, const clap_istream_t *stream);
} clap_plugin_state_t;

typedef struct clap_plugin_latency {
    uint32_t (*get)(const clap_plugin_t *plugin);
} clap_plugin_latency_t;

/* Values are told on one thread and heard on another: a word each, written and read whole. */
#if defined(__GNUC__) || defined(__clang__)
#define DG_LOAD(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define DG_STORE(x, value) __atomic_store_n(&(x), (value), __ATOMIC_RELAXED)
#else
#define DG_LOAD(x) (*(volatile uint32_t *)&(x))
#define DG_STORE(x, value) (*(volatile uint32_t *)&(x) = (value))
#endif

enum { NAME_freq = FREQ, NAME_gate = GATE, NAME_velocity = VELOCITY, NAME_keys = 32 };

typedef struct NAME_clap_t {
    clap_plugin_t plugin;
    const clap_host_t *host;
    uint32_t value[NAME_controls + 1]; /* what controls were told last, as bits of a float: the state */
    uint32_t heard[NAME_controls + 1]; /* and what of that has reached the graph */
    int active;
    int keys[NAME_keys], held; /* the keys that are down, the newest last */
    int fell, again; /* whether the gate fell in this frame, and is to rise in the next */
    NAME_ramps_t ramps;
} NAME_clap_t;

static uint32_t NAME_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float NAME_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static NAME_clap_t *NAME_of(const clap_plugin_t *plugin) {
    return (NAME_clap_t *)plugin->plugin_data;
}

static int NAME_find(clap_id id) {
    for (int i = 0; i < NAME_controls; i++) {
        if (NAME_control[i].id == id) return i;
    }
    return -1;
}

static float NAME_inside(int i, double x) {
    const NAME_control_t *c = &NAME_control[i];
    return x <= (double)c->min ? c->min : x >= (double)c->max ? c->max : (float)x;
}

/* Take what was told since; all of it at once where the graph begins anew. */
static void NAME_listen(NAME_clap_t *p, int anew) {
    for (int i = 0; i < NAME_controls; i++) {
        const uint32_t bits = DG_LOAD(p->value[i]);
        if (!anew && bits == p->heard[i]) continue;
        p->heard[i] = bits;
        NAME_move(&p->ramps, i, NAME_float(bits), anew);
    }
}

/* Notes jump: a glide of 20 ms is none that was asked for. The newest key sounds; if it goes up, the one before it. */
static void NAME_note(NAME_clap_t *p, int key, double velocity, int on) {
    int left = 0;
    for (int i = 0; i < p->held; i++) {
        if (key >= 0 && p->keys[i] != key) p->keys[left++] = p->keys[i];
    }
    if (NAME_freq < 0 || (!on && left == p->held)) return;
    p->held = left;
    if (on) {
        if (p->held == NAME_keys) memmove(p->keys, p->keys + 1, sizeof p->keys[0] * (size_t)(--p->held));
        p->keys[p->held++] = key;
        if (NAME_velocity >= 0) {
            const NAME_control_t *c = &NAME_control[NAME_velocity];
            NAME_move(&p->ramps, NAME_velocity, c->min + (float)velocity * (c->max - c->min), 1);
        }
    }
    if (p->held) {
        NAME_move(&p->ramps, NAME_freq, (float)(440.0 * pow(2.0, (p->keys[p->held - 1] - 69) / 12.0)), 1);
        if (p->fell) p->again = 1; /* or a note right after another would not begin anew */
        else NAME_move(&p->ramps, NAME_gate, 1.0f, 1);
    } else {
        NAME_move(&p->ramps, NAME_gate, 0.0f, 1);
        p->fell = 1;
        p->again = 0;
    }
}

static void NAME_event(NAME_clap_t *p, const clap_event_header_t *event) {
    if (event->space_id) return;
    if (event->type == 5) {
        const clap_event_param_value_t *e = (const clap_event_param_value_t *)(const void *)event;
        const int i = NAME_find(e->param_id);
        if (i < 0 || e->value != e->value) return;
        DG_STORE(p->value[i], NAME_bits(NAME_inside(i, e->value)));
        if (!p->active) return;
        p->heard[i] = DG_LOAD(p->value[i]);
        NAME_move(&p->ramps, i, NAME_float(p->heard[i]), 0);
    } else if (event->type <= 2 && p->active) {
        const clap_event_note_t *e = (const clap_event_note_t *)(const void *)event;
        if (event->type || e->key >= 0) NAME_note(p, e->key, e->velocity, !event->type);
    } else if (event->type == 10 && p->active) {
        const uint8_t *data = ((const clap_event_midi_t *)(const void *)event)->data;
        const int kind = data[0] & 0xf0;
        if (kind == 0x80 || kind == 0x90) NAME_note(p, data[1] & 0x7f, data[2] / 127.0, kind == 0x90 && data[2]);
        if (kind == 0xb0 && (data[1] == 120 || data[1] == 123)) NAME_note(p, -1, 0.0, 0);
    }
}

static void NAME_go(NAME_clap_t *p, const float *const *in, float *const *out, uint32_t from, uint32_t to) {
    if (from == to) return;
    if (NAME_gate >= 0 && p->again) {
        NAME_play(&p->ramps, in, out, from++, 1u);
        NAME_move(&p->ramps, NAME_gate, 1.0f, 1);
    }
    p->fell = p->again = 0;
    NAME_play(&p->ramps, in, out, from, to - from);
}

static bool NAME_clap_init(const clap_plugin_t *plugin) {
    (void)plugin;
    return true;
}

static void NAME_clap_destroy(const clap_plugin_t *plugin) {
    free(plugin->plugin_data);
}

static void NAME_clap_reset(const clap_plugin_t *plugin) {
    NAME_clap_t *p = NAME_of(plugin);
    p->held = p->fell = p->again = 0;
    p->ramps.fresh = 1;
    p->ramps.moving = p->ramps.wait = 0;
    NAME_listen(p, 1);
}

static bool NAME_clap_activate(const clap_plugin_t *plugin, double sample_rate, uint32_t min_frames, uint32_t max_frames) {
    NAME_clap_t *p = NAME_of(plugin);
    (void)min_frames;
    (void)max_frames;
    if (NAME_ramps_init(&p->ramps, sample_rate)) return false; /* the graph is not for this rate */
    NAME_clap_reset(plugin);
    p->active = 1;
    return true;
}

static void NAME_clap_deactivate(const clap_plugin_t *plugin) {
    NAME_of(plugin)->active = 0;
}

static bool NAME_clap_start(const clap_plugin_t *plugin) {
    return NAME_of(plugin)->active != 0;
}

static void NAME_clap_stop(const clap_plugin_t *plugin) {
    (void)plugin;
}

static bool NAME_fits(const clap_audio_buffer_t *buffers, uint32_t count, int channels) {
    return !channels || (count && buffers[0].data32 && buffers[0].channel_count >= (uint32_t)channels);
}

static int32_t NAME_clap_process(const clap_plugin_t *plugin, const clap_process_t *process) {
    NAME_clap_t *p = NAME_of(plugin);
    const clap_input_events_t *events = process->in_events;
    const uint32_t frames = process->frames_count, count = events ? events->size(events) : 0u;
    const float *const *in = NULL;
    float *const *out = NULL;
    uint32_t at = 0u;
    if (!p->active || !NAME_fits(process->audio_inputs, process->audio_inputs_count, NAME_inputs)
        || !NAME_fits(process->audio_outputs, process->audio_outputs_count, NAME_outputs))
        return 0;
    if (NAME_inputs > 0) in = (const float *const *)process->audio_inputs[0].data32;
    if (NAME_outputs > 0) {
        out = process->audio_outputs[0].data32;
        process->audio_outputs[0].constant_mask = 0u;
    }
    NAME_listen(p, 0);
    for (uint32_t i = 0u; i < count; i++) {
        const clap_event_header_t *event = events->get(events, i);
        const uint32_t time = event->time < frames ? event->time : frames;
        if (time > at) {
            NAME_go(p, in, out, at, time);
            at = time;
        }
        NAME_event(p, event);
    }
    NAME_go(p, in, out, at, frames);
    return 1;
}

static uint32_t NAME_ports_count(const clap_plugin_t *plugin, bool is_input) {
    (void)plugin;
    return is_input ? NAME_inputs > 0 : NAME_outputs > 0;
}

static bool NAME_ports_get(const clap_plugin_t *plugin, uint32_t index, bool is_input, clap_audio_port_info_t *info) {
    const int channels = is_input ? NAME_inputs : NAME_outputs;
    (void)plugin;
    if (index || !channels) return false;
    memset(info, 0, sizeof *info);
    strcpy(info->name, is_input ? "in" : "out");
    info->flags = 1u; /* the main one */
    info->channel_count = (uint32_t)channels;
    info->port_type = channels == 1 ? "mono" : channels == 2 ? "stereo" : NULL;
    info->in_place_pair = (int)NAME_inputs == (int)NAME_outputs ? 0u : UINT32_MAX;
    return true;
}

static uint32_t NAME_notes_count(const clap_plugin_t *plugin, bool is_input) {
    (void)plugin;
    return is_input ? 1u : 0u;
}

static bool NAME_notes_get(const clap_plugin_t *plugin, uint32_t index, bool is_input, clap_note_port_info_t *info) {
    (void)plugin;
    if (index || !is_input) return false;
    memset(info, 0, sizeof *info);
    info->supported_dialects = 3u; /* those of CLAP and of MIDI */
    info->preferred_dialect = 1u;
    strcpy(info->name, "notes");
    return true;
}

static uint32_t NAME_params_count(const clap_plugin_t *plugin) {
    (void)plugin;
    return (uint32_t)NAME_controls;
}

static bool NAME_params_info(const clap_plugin_t *plugin, uint32_t index, clap_param_info_t *info) {
    const NAME_control_t *c = NAME_control + index;
    if (index >= NAME_params_count(plugin)) return false;
    memset(info, 0, sizeof *info);
    info->id = c->id;
    info->flags = 1u << 5 | 1u << 15; /* can be automated, and is heard */
    strncpy(info->name, c->name, sizeof info->name - 1);
    info->min_value = (double)c->min;
    info->max_value = (double)c->max;
    info->default_value = (double)c->initial;
    return true;
}

static bool NAME_params_value(const clap_plugin_t *plugin, clap_id id, double *value) {
    const int i = NAME_find(id);
    if (i < 0) return false;
    *value = (double)NAME_float(DG_LOAD(NAME_of(plugin)->value[i]));
    return true;
}

/* Numbers as text, and back, whatever the locale. */
static bool NAME_params_text(const clap_plugin_t *plugin, clap_id id, double value, char *text, uint32_t capacity) {
    const int i = NAME_find(id);
    char digits[352];
    size_t used = 0, length, unit;
    double whole, scale = 1.0;
    (void)plugin;
    if (i < 0 || !(value - value == 0.0)) return false;
    for (int d = 0; d < NAME_control[i].decimals; d++) scale *= 10.0;
    whole = floor(fabs(value) * scale + 0.5);
    do {
        if (used && used == (size_t)NAME_control[i].decimals) digits[used++] = '.';
        digits[used++] = (char)('0' + (int)fmod(whole, 10.0));
        whole = floor(whole / 10.0);
    } while ((whole > 0.0 || used < (size_t)NAME_control[i].decimals + (NAME_control[i].decimals ? 2u : 1u)) && used < 340);
    if (value < 0.0) digits[used++] = '-';
    length = used;
    unit = strlen(NAME_control[i].unit);
    if (capacity < length + unit + 2) return false;
    while (used) *text++ = digits[--used];
    if (unit) *text++ = ' ';
    memcpy(text, NAME_control[i].unit, unit + 1);
    return true;
}

static bool NAME_params_parse(const clap_plugin_t *plugin, clap_id id, const char *text, double *value) {
    const int i = NAME_find(id);
    double x = 0.0, place = 1.0;
    int negative, digits = 0, fraction = 0;
    (void)plugin;
    if (i < 0) return false;
    while (*text == ' ') text++;
    negative = *text == '-';
    if (*text == '-' || *text == '+') text++;
    for (; (*text >= '0' && *text <= '9') || (!fraction && (*text == '.' || *text == ',')); text++) {
        if (*text == '.' || *text == ',') {
            fraction = 1;
            continue;
        }
        digits++;
        x = x * 10.0 + (double)(*text - '0');
        if (fraction) place *= 10.0;
    }
    while (*text == ' ') text++;
    if (!digits) return false;
    if (*text == 'k' && NAME_control[i].unit[0] != 'k') x *= 1000.0;
    x = negative ? -x / place : x / place;
    *value = (double)NAME_inside(i, x);
    return true;
}

static void NAME_params_flush(const clap_plugin_t *plugin, const clap_input_events_t *in, const clap_output_events_t *out) {
    (void)out;
    for (uint32_t i = 0u, count = in ? in->size(in) : 0u; i < count; i++) NAME_event(NAME_of(plugin), in->get(in, i));
}

/* The state: a mark, the number of values, and of each its id and its bits, in little endian. */
static bool NAME_write(const clap_ostream_t *stream, uint32_t x) {
    uint8_t bytes[4];
    uint64_t done = 0u;
    for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(x >> (8 * i));
    while (done < 4u) {
        const int64_t more = stream->write(stream, bytes + done, 4u - done);
        if (more <= 0) return false;
        done += (uint64_t)more;
    }
    return true;
}

static bool NAME_read(const clap_istream_t *stream, uint32_t *x) {
    uint8_t bytes[4];
    uint64_t done = 0u;
    while (done < 4u) {
        const int64_t more = stream->read(stream, bytes + done, 4u - done);
        if (more <= 0) return false;
        done += (uint64_t)more;
    }
    *x = 0u;
    for (int i = 0; i < 4; i++) *x |= (uint32_t)bytes[i] << (8 * i);
    return true;
}

static bool NAME_state_save(const clap_plugin_t *plugin, const clap_ostream_t *stream) {
    bool good = NAME_write(stream, 0x31506764u) && NAME_write(stream, (uint32_t)NAME_controls);
    for (int i = 0; good && i < NAME_controls; i++)
        good = NAME_write(stream, NAME_control[i].id) && NAME_write(stream, DG_LOAD(NAME_of(plugin)->value[i]));
    return good;
}

/* What another version of the plug-in does not know begins where it began; a state that is broken changes nothing. */
static bool NAME_state_load(const clap_plugin_t *plugin, const clap_istream_t *stream) {
    NAME_clap_t *p = NAME_of(plugin);
    float value[NAME_controls + 1];
    uint32_t word = 0u, count = 0u, bits = 0u;
    const clap_host_params_t *params = NULL;
    for (int i = 0; i < NAME_controls; i++) value[i] = NAME_control[i].initial;
    if (!NAME_read(stream, &word) || word != 0x31506764u || !NAME_read(stream, &count)) return false;
    for (; count; count--) {
        int i;
        float x;
        if (!NAME_read(stream, &word) || !NAME_read(stream, &bits)) return false;
        x = NAME_float(bits);
        if (x != x) return false;
        i = NAME_find(word);
        if (i >= 0) value[i] = NAME_inside(i, (double)x);
    }
    for (int i = 0; i < NAME_controls; i++) DG_STORE(p->value[i], NAME_bits(value[i]));
    if (p->host && p->host->get_extension) params = (const clap_host_params_t *)p->host->get_extension(p->host, "clap.params");
    if (params && params->rescan) params->rescan(p->host, 1u); /* values have changed */
    return true;
}

static uint32_t NAME_latency_get(const clap_plugin_t *plugin) {
    (void)plugin;
    return (uint32_t)NAME_latency;
}

static const clap_plugin_audio_ports_t NAME_audio_ports = {NAME_ports_count, NAME_ports_get};
static const clap_plugin_note_ports_t NAME_note_ports = {NAME_notes_count, NAME_notes_get};
static const clap_plugin_params_t NAME_params = {
    NAME_params_count, NAME_params_info, NAME_params_value, NAME_params_text, NAME_params_parse, NAME_params_flush,
};
static const clap_plugin_state_t NAME_state = {NAME_state_save, NAME_state_load};
static const clap_plugin_latency_t NAME_latencies = {NAME_latency_get};

static const void *NAME_clap_extension(const clap_plugin_t *plugin, const char *id) {
    (void)plugin;
    if (!strcmp(id, "clap.audio-ports")) return &NAME_audio_ports;
    if (!strcmp(id, "clap.note-ports")) return NAME_freq >= 0 ? &NAME_note_ports : NULL;
    if (!strcmp(id, "clap.params")) return &NAME_params;
    if (!strcmp(id, "clap.state")) return &NAME_state;
    if (!strcmp(id, "clap.latency")) return &NAME_latencies;
    return NULL;
}

static void NAME_clap_main_thread(const clap_plugin_t *plugin) {
    (void)plugin;
}

static const char *const NAME_features[] = {FEATURES, NULL};
static const clap_plugin_descriptor_t NAME_descriptor = {
    {1u, 2u, 0u}, ID, TITLE, "", "", "", "", "", "", NAME_features,
};

static uint32_t NAME_factory_count(const clap_plugin_factory_t *factory) {
    (void)factory;
    return 1u;
}

static const clap_plugin_descriptor_t *NAME_factory_descriptor(const clap_plugin_factory_t *factory, uint32_t index) {
    (void)factory;
    return index ? NULL : &NAME_descriptor;
}

static const clap_plugin_t *NAME_factory_create(
    const clap_plugin_factory_t *factory, const clap_host_t *host, const char *plugin_id) {
    NAME_clap_t *p;
    (void)factory;
    if (!plugin_id || strcmp(plugin_id, NAME_descriptor.id) || (host && host->clap_version.major < 1u)) return NULL;
    p = (NAME_clap_t *)calloc(1, sizeof(NAME_clap_t));
    if (!p) return NULL;
    p->host = host;
    p->plugin.desc = &NAME_descriptor;
    p->plugin.plugin_data = p;
    p->plugin.init = NAME_clap_init;
    p->plugin.destroy = NAME_clap_destroy;
    p->plugin.activate = NAME_clap_activate;
    p->plugin.deactivate = NAME_clap_deactivate;
    p->plugin.start_processing = NAME_clap_start;
    p->plugin.stop_processing = NAME_clap_stop;
    p->plugin.reset = NAME_clap_reset;
    p->plugin.process = NAME_clap_process;
    p->plugin.get_extension = NAME_clap_extension;
    p->plugin.on_main_thread = NAME_clap_main_thread;
    for (int i = 0; i < NAME_controls; i++) p->value[i] = NAME_bits(NAME_control[i].initial);
    return &p->plugin;
}

static const clap_plugin_factory_t NAME_factory = {NAME_factory_count, NAME_factory_descriptor, NAME_factory_create};

static bool NAME_entry_init(const char *plugin_path) {
    (void)plugin_path;
    return true;
}

static void NAME_entry_deinit(void) {
}

static const void *NAME_entry_factory(const char *factory_id) {
    return strcmp(factory_id, "clap.plugin-factory") ? NULL : &NAME_factory;
}

extern DG_EXPORT const clap_plugin_entry_t clap_entry;
const clap_plugin_entry_t clap_entry = {{1u, 2u, 0u}, NAME_entry_init, NAME_entry_deinit, NAME_entry_factory};
